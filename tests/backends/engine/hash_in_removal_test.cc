// A hash that begins in the middle of a slice of removal.
#include <gtest/gtest.h>

#include <chrono>
#include <future>

#include "tests/backends/engine/engine_support.h"

namespace keelson::engine {
namespace {

// The story: HashKV right after a restart in the middle of a compaction was wrong about once in 150
// kills. A slice of removal cuts a dead version from its key's chain, then blanks its row. A hash
// that began between the two (apply thread preempted there) found no newer version that led to the
// dead one, took it for the key's newest and fed it. Such a hash waits for the slice now.
TEST(HashInRemoval, WaitsForTheSliceUnderWay) {
  EngineOptions options;
  Engine* engine = nullptr;
  std::future<model::HashReply> reply;
  options.in_removal = [&] {
    if (reply.valid()) return;
    reply = std::async(std::launch::async, [&] { return engine->hash_kv(0); });
    // Let the hash run into the state between: to its end if nothing holds it back. Held back it
    // cannot get there however long this takes, so a slow machine makes no false alarm.
    reply.wait_for(std::chrono::milliseconds(200));
  };
  Driver d(options);
  engine = &d.engine;
  for (int round = 0; round < 3; ++round) {
    for (const char* key : {"a", "b", "c"}) d.put(key, std::to_string(round));
  }
  const Revision compact = d.engine.revision();
  d.compact(compact);
  uint32_t expected = naive_hash_kv(SavedRows(*d.engine.checkpoint()).of(backends::Bucket::kKey),
                                    compact, compact, false);
  d.settle();
  ASSERT_TRUE(reply.valid()) << "nothing was removed";
  EXPECT_EQ(reply.get().hash, expected);
  d.settle();
  EXPECT_EQ(d.engine.hash_kv(0).hash, expected);
  EXPECT_TRUE(d.engine.compaction_finished(compact));
}

}  // namespace
}  // namespace keelson::engine
