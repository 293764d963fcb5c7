// The store over a log that does everything a log may do.
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "backends/engine/command_codec.h"
#include "tests/backends/store/harness.h"
#include "tests/support/hostile_log.h"
#include "tests/support/seed.h"

namespace keelson::store {
namespace {

using model::Error;
using tests::HostileLog;
using tests::HostileOptions;

constexpr std::chrono::seconds kReadyTimeout{10};

class HostileTest : public ::testing::Test {
 protected:
  // Brings a store up: it introduces itself through entries that only settle() commits.
  static void start(Harness& harness, HostileLog& log) {
    ASSERT_EQ(harness.running->start(), "");
    Harness::eventually([&] {
      log.settle();
      return harness.running->wait_ready(std::chrono::milliseconds(1));
    });
    ASSERT_TRUE(harness.running->wait_ready(kReadyTimeout));
  }
  static void wait_applied(Harness& harness, HostileLog& log) {
    Harness::eventually([&] { return log.applied() == log.history().back().index; });
    (void)harness;
  }
};

TEST_F(HostileTest, RefusedIsToldApartFromUnknown) {
  HostileLog log({.seed = 1});
  Harness harness(log);
  start(harness, log);
  auto refused = harness.propose(put_command("k", "refused"));
  log.refuse_queue();
  EXPECT_EQ(refused.get().error, Error::kNoLeader);
  auto unknown = harness.propose(put_command("k", "unknown"));
  log.leave_queue_in_doubt();
  EXPECT_EQ(unknown.get().error, Error::kTimeout);
  log.settle();
  auto put = harness.propose(put_command("k", "done"));
  log.commit_queue();
  EXPECT_EQ(put.get().error, Error::kNone);
}

TEST_F(HostileTest, UnansweredProposalTimesOutAndIsStillAppliedLater) {
  HostileLog log({.seed = 2});
  Harness harness(log);
  start(harness, log);
  auto put = harness.propose(put_command("k", "late"));
  harness.clock.advance(std::chrono::milliseconds(6900));
  EXPECT_FALSE(put.ready());
  harness.clock.advance(std::chrono::milliseconds(200));
  EXPECT_EQ(put.get().error, Error::kTimeout);
  log.commit_queue();
  wait_applied(harness, log);
  model::RangeRequest request;
  request.key = "k";
  request.serializable = true;
  etcdserverpb::RangeResponse response;
  ASSERT_TRUE(response.ParseFromString(harness.range(request).get().body));
  ASSERT_EQ(response.kvs_size(), 1);
  EXPECT_EQ(response.kvs(0).value(), "late");
}

TEST_F(HostileTest, TooManyProposalsAreRefused) {
  HostileLog log({.seed = 3});
  StoreOptions options = plain_options();
  options.limits.max_queued_proposals = 10;
  Harness harness(log, options);
  start(harness, log);
  std::vector<Awaited<model::Reply>> answers;
  for (int i = 0; i < 10; ++i) answers.push_back(harness.propose(put_command("k", "v")));
  EXPECT_EQ(harness.put("k", "v").error, Error::kRequestTooManyRequests);
  log.commit_queue();
  for (auto& answer : answers) EXPECT_EQ(answer.get().error, Error::kNone);
  auto again = harness.propose(put_command("k", "v"));
  log.commit_queue();
  EXPECT_EQ(again.get().error, Error::kNone);
}

TEST_F(HostileTest, QueuedBytesAreBounded) {
  HostileLog log({.seed = 4});
  StoreOptions options = plain_options();
  options.max_queued_bytes = 100'000;
  Harness harness(log, options);
  start(harness, log);
  std::vector<Awaited<model::Reply>> answers;
  for (int i = 0; i < 9; ++i) {
    answers.push_back(harness.propose(put_command("k", std::string(10'000, 'x'))));
  }
  EXPECT_EQ(harness.put("k", std::string(10'000, 'x')).error, Error::kRequestTooManyRequests);
  log.commit_queue();
  for (auto& answer : answers) EXPECT_EQ(answer.get().error, Error::kNone);
}

TEST_F(HostileTest, ReadWaitsForItsBarrierAndTheApply) {
  HostileLog log({.seed = 5});
  Harness harness(log);
  start(harness, log);
  auto put = harness.propose(put_command("k", "v"));
  model::RangeRequest request;
  request.key = "k";
  auto read = harness.range(request);
  EXPECT_FALSE(read.ready());
  log.settle();
  etcdserverpb::RangeResponse response;
  ASSERT_TRUE(response.ParseFromString(read.get().body));
  EXPECT_EQ(response.count(), 1);
  EXPECT_EQ(put.get().error, Error::kNone);
}

TEST_F(HostileTest, BarrierFailsWithoutALeader) {
  HostileLog log({.seed = 6});
  Harness harness(log);
  start(harness, log);
  log.lose_leadership();
  Awaited<Error> barrier;
  harness.store().read_barrier(barrier.done());
  for (int i = 0; i < 1000 && !barrier.ready(); ++i) log.step();
  EXPECT_TRUE(barrier.ready());
}

TEST_F(HostileTest, StreamsAreToldAfterThreeElectionTimeouts) {
  HostileLog log({.seed = 7});
  Harness harness(log);
  start(harness, log);
  log.lose_leadership();
  EXPECT_EQ(harness.store().status().leader, MemberId());
  EXPECT_FALSE(harness.store().status().fresh);
  // The absence counts from when the apply thread saw it.
  auto wait = harness.propose(put_command("k", "v"));
  log.commit_queue();
  wait.get();
  harness.clock.advance(std::chrono::milliseconds(2900));
  wait = harness.propose(put_command("k", "v"));
  log.commit_queue();
  wait.get();
  EXPECT_EQ(harness.sink.leader(), std::vector<bool>{});
  harness.clock.advance(std::chrono::milliseconds(700));  // past the next tick
  Harness::eventually([&] { return harness.sink.leader() == std::vector<bool>{false}; });
  log.regain_leadership();
  Harness::eventually([&] { return harness.sink.leader() == std::vector<bool>({false, true}); });
}

TEST_F(HostileTest, LeasesOnlyExpireOnTheLeaderAndAreRearmed) {
  HostileLog log({.seed = 8});
  Harness harness(log);
  start(harness, log);
  auto grant = harness.propose(command_of(model::LeaseGrantRequest{10, 5}));
  log.commit_queue();
  ASSERT_EQ(grant.get().error, Error::kNone);
  log.lose_leadership();
  Awaited<model::LeaseReply> orphan;
  harness.store().lease_keep_alive(5, orphan.done());
  EXPECT_EQ(orphan.get().error, Error::kNoLeader);
  harness.clock.advance(std::chrono::seconds(60));
  log.regain_leadership();
  wait_applied(harness, log);
  // Full TTL and one election timeout from here on.
  Awaited<model::LeaseReply> info;
  harness.store().lease_time_to_live(5, false, info.done());
  EXPECT_GE(info.get().lease.remaining_ttl, 10);
  harness.clock.advance(std::chrono::seconds(12));
  Harness::eventually([&] {
    log.commit_queue();
    return harness.store().leases().empty();
  });
}

// A revoke that was lost is proposed again.
TEST_F(HostileTest, LostExpiryIsRepeated) {
  HostileLog log({.seed = 9});
  Harness harness(log);
  start(harness, log);
  auto grant = harness.propose(command_of(model::LeaseGrantRequest{2, 5}));
  log.commit_queue();
  grant.get();
  harness.clock.advance(std::chrono::seconds(4));
  Harness::eventually([&] { return harness.store().status().pending_proposals == 1; });
  log.refuse_queue();
  EXPECT_EQ(harness.store().leases().size(), 1u);
  harness.clock.advance(std::chrono::seconds(8));
  Harness::eventually([&] {
    log.commit_queue();
    return harness.store().leases().empty();
  });
}

TEST_F(HostileTest, InstalledCheckpointReplacesTheState) {
  HostileLog log({.seed = 10});
  Harness harness(log);
  start(harness, log);
  auto put = harness.propose(put_command("k", "v"));
  log.commit_queue();
  put.get();
  // A cursor and a checkpoint of the old state outlive it.
  model::RangeRequest all;
  all.key = "k";
  all.range_end = "l";
  Awaited<model::Store::CursorReply> opened;
  all.serializable = true;
  harness.store().range_stream(all, opened.done());
  model::Store::CursorReply cursor = opened.get();
  for (int i = 0; i < 50; ++i) harness.propose(put_command("k" + std::to_string(i), "v"));
  log.install_foreign();
  wait_applied(harness, log);
  Harness::eventually([&] { return harness.sink.resets().size() == 2; });
  EXPECT_FALSE(harness.sink.resets()[1].went_back);
  EXPECT_EQ(harness.sink.resets()[1].published, log.reference().revision());
  EXPECT_EQ(harness.store().published_revision(), log.reference().revision());
  EXPECT_EQ(cursor.cursor->next(10, 1000).keys, 1u);
  log.go_back();
  wait_applied(harness, log);
  Harness::eventually([&] { return harness.sink.resets().size() == 3; });
  EXPECT_TRUE(harness.sink.resets()[2].went_back);
}

// One run: random commands against random acts of the log; in between and in the end the store is
// what the reference engine is.
class HostileRun {
 public:
  HostileRun(uint64_t seed, bool leaderless)
      : seed_(seed),
        leaderless_(leaderless),
        random_(seed),
        log_({.seed = seed * 31 + 7, .leaderless = leaderless}),
        harness_(log_) {}

  void go(int steps) {
    ASSERT_EQ(harness_.running->start(), "");
    for (int i = 0; i < steps; ++i) {
      for (uint64_t n = random_() % 4; n > 0; --n) act();
      log_.step();
      if (i % 50 == 49) compare();
      if (::testing::Test::HasFailure()) return;
    }
    compare();
    harness_.running->stop();
    for (Asked& asked : asked_) EXPECT_TRUE(asked.answer.ready()) << "a proposal without an answer";
    for (auto& renewal : renewals_) EXPECT_TRUE(renewal.ready()) << "a renewal without an answer";
    for (auto& read : reads_) EXPECT_TRUE(read.ready()) << "a read without an answer";
  }

  const HostileLog::Counts& counts() const { return log_.counts(); }
  // Proposed by the store itself.
  size_t expiries() const {
    size_t count = 0;
    for (const HostileLog::Entry& entry : log_.history()) {
      model::Command command;
      if (entry.proposal == 0 || !engine::decode_command(entry.data, command)) continue;
      if (std::holds_alternative<model::LeaseExpireRequest>(command.body)) ++count;
    }
    return count;
  }

 private:
  struct Asked {
    std::string value;
    Awaited<model::Reply> answer;
  };

  std::string key() { return "k" + std::to_string(random_() % 20); }

  // Leases whose renewals and ends are commands; some time passes, so that some end.
  void act_on_leases() {
    const LeaseId id = 1 + static_cast<LeaseId>(random_() % 5);
    switch (random_() % 6) {
      case 0:
      case 1:
        return ask("", command_of(model::LeaseGrantRequest{2, id}));
      case 2: {
        std::string value = fresh_value();
        return ask(value, put_command(key(), value, id));
      }
      case 3:
      case 4:
        harness_.clock.advance(std::chrono::milliseconds(random_() % 4000));
        return;
      default:
        renewals_.emplace_back();
        return harness_.store().lease_keep_alive(id, renewals_.back().done());
    }
  }

  void act() {
    if (leaderless_ && random_() % 3 == 0) return act_on_leases();
    switch (random_() % 10) {
      case 0:
        key_ = key();
        return ask("", command_of(model::DeleteRangeRequest{keep(key_), "", random_() % 2 == 0}));
      case 1: {
        auto txn = model::TxnRequest();
        model::Compare& compare = txn.compare.emplace_back();
        compare.target = model::CompareTarget::kMod;
        compare.result = model::CompareResult::kGreater;
        compare.key = keep(key());
        compare.number = static_cast<int64_t>(random_() % 50);
        model::PutRequest put;
        put.key = compare.key;
        put.value = keep(fresh_value());
        txn.success.emplace_back(put);
        txn.failure.emplace_back(model::DeleteRangeRequest{keep("k1"), keep("k3"), true});
        return ask("", command_of(std::move(txn)));
      }
      case 2:
        if (random_() % 8 != 0) return;
        return ask("", command_of(model::CompactionRequest{static_cast<Revision>(random_() % 300),
                                                           random_() % 2 == 0}));
      case 3: {
        model::RangeRequest request;
        request.key = "k";
        request.range_end = "l";
        reads_.push_back(harness_.range(request));
        return;
      }
      default: {
        std::string value = fresh_value();
        return ask(value, put_command(key(), value));
      }
    }
  }

  // Bytes that live as long as the run.
  std::string_view keep(std::string text) { return kept_.emplace_back(std::move(text)); }
  std::string fresh_value() { return "v" + std::to_string(next_value_++); }
  void ask(std::string value, model::Command command) {
    asked_.push_back({std::move(value), harness_.propose(std::move(command))});
  }

  void compare() {
    // Its answer comes after everything before it was published and told.
    auto last = harness_.propose(put_command("last", "v"));
    log_.settle();
    ASSERT_EQ(last.get().error, Error::kNone);
    const engine::Engine& reference = log_.reference();
    ASSERT_EQ(harness_.store().published_revision(), reference.revision());
    ASSERT_EQ(harness_.store().compacted_revision(), reference.compact_revision());
    Awaited<model::HashReply> hashed;
    // By number: "current" is answered with the hash of a compaction at 0 if there was one.
    harness_.store().hash_kv(reference.revision(), hashed.done());
    model::HashReply mine = hashed.get();
    model::HashReply theirs = reference.hash_kv(reference.revision());
    ASSERT_EQ(mine.hash, theirs.hash);
    ASSERT_EQ(mine.compact_revision, theirs.compact_revision);
    ASSERT_EQ(sorted(harness_.store().leases()), sorted(reference.lease_ids()));
    compare_outcomes();
    compare_events();
    kept_.clear();
  }

  static std::vector<LeaseId> sorted(std::vector<LeaseId> ids) {
    std::sort(ids.begin(), ids.end());
    return ids;
  }

  // What was acknowledged is in the log once (unless time went back); what was refused never is.
  void compare_outcomes() {
    std::map<std::string, int> in_log;
    for (const HostileLog::Entry& entry : log_.history()) {
      model::Command command;
      if (entry.kind != backends::EntryKind::kCommand) continue;
      ASSERT_TRUE(engine::decode_command(entry.data, command));
      if (auto* put = std::get_if<model::PutRequest>(&command.body)) {
        ++in_log[std::string(put->value)];
      }
      ASSERT_TRUE(entry.proposal == 0 || !log_.refused().contains(entry.proposal));
    }
    for (Asked& asked : asked_) {
      if (asked.value.empty() || !asked.answer.ready()) continue;
      model::Reply reply = asked.answer.get();
      int times = in_log[asked.value];
      if (reply.error == Error::kNone && log_.counts().truncations == 0) {
        ASSERT_EQ(times, 1) << asked.value;
      }
      if (reply.error == Error::kNoLeader) {
        ASSERT_EQ(times, 0) << asked.value;
      }
      ASSERT_LE(times, 1);
    }
    std::erase_if(asked_, [](const Asked& asked) { return asked.answer.ready(); });
    std::erase_if(reads_, [](const auto& read) { return read.ready(); });
    std::erase_if(renewals_, [](const auto& renewal) { return renewal.ready(); });
  }

  // The events since the last reset are the reference's history from there.
  void compare_events() {
    RecordingSink::Reset reset = harness_.sink.resets().back();
    const engine::Engine& reference = log_.reference();
    Revision from = std::max(reset.published + 1, reference.compact_revision());
    std::vector<RecordingSink::Change> expected, mine;
    model::HistoryChunk chunk = reference.history(
        {from, reference.revision(), {std::string_view("\0", 1), "\xff"}, true, 100'000, 100'000});
    ASSERT_EQ(chunk.error, Error::kNone);
    for (const model::RevisionEvents& revision : chunk.revisions) {
      for (const model::Event& event : revision.events) {
        expected.push_back({revision.revision, RecordingSink::describe(event)});
      }
    }
    for (RecordingSink::Change& change : harness_.sink.changes()) {
      if (change.revision >= from) mine.push_back(std::move(change));
    }
    // A compaction may have taken a version that an event came with; the event itself stays.
    auto strip = [](std::vector<RecordingSink::Change>& changes) {
      for (auto& change : changes) change.text = change.text.substr(0, change.text.find(" was "));
    };
    strip(expected);
    strip(mine);
    ASSERT_EQ(mine, expected);
  }

  uint64_t seed_;
  const bool leaderless_;
  std::mt19937_64 random_;
  HostileLog log_;
  Harness harness_;
  std::deque<std::string> kept_;
  std::string key_;
  uint64_t next_value_ = 0;
  std::vector<Asked> asked_;
  std::vector<Awaited<model::Reply>> reads_;
  std::vector<Awaited<model::LeaseReply>> renewals_;
};

// Of a log with a leader, and of one without.
class HostileRuns : public HostileTest, public ::testing::WithParamInterface<bool> {};
INSTANTIATE_TEST_SUITE_P(, HostileRuns, ::testing::Bool(), [](const auto& of) {
  return std::string(of.param ? "WithoutALeader" : "WithALeader");
});

TEST_P(HostileRuns, EqualTheReference) {
  const uint64_t seed = tests::run_seed();
  struct : HostileLog::Counts {
    size_t expiries = 0;
  } sum;
  for (int i = 0; i < 10; ++i) {
    HostileRun run(seed + static_cast<uint64_t>(i), GetParam());
    run.go(600);
    if (HasFailure()) FAIL() << "KEELSON_SEED=" << seed + static_cast<uint64_t>(i);
    const HostileLog::Counts& counts = run.counts();
    sum.refusals += counts.refusals;
    sum.doubts += counts.doubts;
    sum.late += counts.late;
    sum.failed_barriers += counts.failed_barriers;
    sum.losses += counts.losses;
    sum.installs += counts.installs;
    sum.truncations += counts.truncations;
    sum.expiries += run.expiries();
  }
  // A run in which none of this happened shows nothing.
  EXPECT_GT(sum.refusals, 10);
  EXPECT_GT(sum.doubts, 10);
  EXPECT_GT(sum.late, 10);
  EXPECT_GT(sum.failed_barriers, 10);
  EXPECT_GT(sum.losses, 10);
  EXPECT_GT(sum.installs, 5);
  EXPECT_GT(sum.truncations, 5);
  EXPECT_EQ(sum.expiries > 5, GetParam()) << sum.expiries;
}

}  // namespace
}  // namespace keelson::store
