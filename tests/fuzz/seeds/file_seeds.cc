// Database files of a state that has something in every bucket, sound and damaged.
#include "api/base/bytes.h"
#include "api/base/check.h"
#include "backends/bbolt/format.h"
#include "backends/engine/engine.h"
#include "backends/native/checkpoint_file.h"
#include "tests/fuzz/seeds/seeds.h"
#include "tests/support/memory_file.h"

namespace keelson::fuzz {
namespace {

class World {
 public:
  explicit World(bool leaderless = false) : engine_({.leaderless = leaderless}) {}
  template <class Body>
  void apply(Body body) {
    model::Command command;
    command.body = std::move(body);
    engine_.apply(command, Index(++index_), Term(2), {});
    engine_.publish();
  }
  void put(const std::string& key, const std::string& value, LeaseId lease = 0) {
    apply(model::PutRequest{key, value, lease, false, false, false});
  }
  std::string file() {
    tests::MemoryFile out;
    uint64_t size = 0;
    KEELSON_CHECK(native::write_checkpoint(*engine_.checkpoint(), out, size).ok(), "written");
    return out.bytes;
  }

 private:
  engine::Engine engine_;
  uint64_t index_ = 0;
};

void fill(World& world, int keys) {
  model::MembershipChange change;
  change.member = MemberId(1);
  change.peer_urls = {"http://a:1"};
  change.name = "m";
  world.apply(change);
  change.member = MemberId(2);
  world.apply(change);
  change.kind = model::MembershipChange::Kind::kRemove;
  world.apply(change);
  world.apply(model::MemberAttrSetRequest{MemberId(1), "m", {"http://b:1"}});
  world.apply(model::ClusterVersionSetRequest{"3.7.0"});
  world.apply(model::DowngradeInfoSetRequest{false, ""});
  world.apply(model::LeaseGrantRequest{60, 7});
  world.apply(model::LeaseCheckpointRequest{{{7, 30}}});
  for (int i = 0; i < keys; ++i) world.put("k" + std::to_string(i), std::string(60, 'v'), 7);
  world.put("k1", "again");
  world.apply(model::DeleteRangeRequest{"k2", "k4", false});
  world.apply(model::CompactionRequest{5, false});
  world.apply(
      model::AlarmRequest{model::AlarmAction::kActivate, MemberId(1), model::AlarmType::kCorrupt});
}

void give(const Sink& sink, const std::string& file) {
  sink("fuzz_checkpoint", std::string(1, '\0') + file);
  sink("fuzz_checkpoint", std::string(1, '\1') + file);
  // There only an odd first byte leaves the file as it is; no reader looks at it.
  std::string whole = file;
  whole[0] = 1;
  sink("fuzz_bbolt", whole);
}

// What a reader must name: one field of one page, or the length.
void give_damaged(const Sink& sink, const std::string& file) {
  using bbolt::kPageSize;
  const size_t pages = file.size() / kPageSize;
  for (size_t page = 2; page < pages; ++page) {
    const auto damage = [&](size_t at, char value) {
      std::string bytes = file;
      bytes[page * kPageSize + at] = value;
      give(sink, bytes);
    };
    damage(0, 99);       // number
    damage(8, 8);        // flags
    damage(10, 0);       // count
    damage(11, 127);     // count
    damage(12, 100);     // overflow
    damage(16 + 6, 1);   // position of the first element
    damage(16 + 8, 0);   // its key's size, or a child's number
    damage(16 + 12, 1);  // its value's size
  }
  give(sink, file.substr(0, file.size() - kPageSize));
  give(sink, file.substr(0, 2 * kPageSize));
  give(sink, "x");
  std::string no_meta = file;
  no_meta[kPageSize + 16] = no_meta[16] = 0;
  give(sink, no_meta);
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (size_t at = 0; (at = text.find(from, at)) != text.npos; at += to.size())
    text.replace(at, from.size(), to);
}

// With what the commands of leaderless logs leave in the rows.
void give_leaderless(const Sink& sink) {
  World world(true);
  world.apply(model::SettingsRequest{2, 1, 1});
  fill(world, 5);
  world.apply(model::LeaseKeepAliveRequest{7});
  for (char kind : {'\2', '\3'}) sink("fuzz_checkpoint", kind + world.file());
}

}  // namespace

void file_seeds(const Sink& sink) {
  World small, large;
  fill(small, 5);
  fill(large, 150);
  give(sink, small.file());
  give(sink, large.file());
  give_damaged(sink, small.file());
  give_damaged(sink, large.file());
  give_leaderless(sink);
  const std::string_view changes[][2] = {{"3.7.0", "3.8.0"},
                                         {"consistent_index", "consistent_inde_"},
                                         {"\"id\":1", "\"id\":x"},
                                         {"\"enabled\"", "\"enabl_d\""},
                                         {"peerURLs", "peerURL_"}};
  for (const auto& [from, to] : changes) {
    std::string bytes = small.file();
    replace_all(bytes, from, to);
    give(sink, bytes);
  }
}

}  // namespace keelson::fuzz
