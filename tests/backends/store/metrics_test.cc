// What the store measures, over the reference log and a clock that the test moves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backends/memory/memory_log.h"
#include "backends/store/read_timer.h"
#include "backends/store/store_metrics.h"
#include "tests/backends/store/harness.h"

namespace keelson::store {
namespace {

using model::Error;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::Not;

class StoreMetricsTest : public ::testing::Test {
 protected:
  static memory::MemoryLogOptions log_options() {
    memory::MemoryLogOptions options;
    options.member = MemberId(1);
    options.peer_urls = {"http://127.0.0.1:2380"};
    return options;
  }
  static uint64_t count(const base::Histogram& histogram) {
    uint64_t total = 0;
    for (size_t i = 0; i <= histogram.bounds().size(); ++i) total += histogram.bucket(i);
    return total;
  }
  uint64_t requests(std::string_view type, bool success) {
    return count(request_seconds(harness_.metrics, type, success));
  }
  uint64_t ranges(bool success) { return count(range_seconds(harness_.metrics, success)); }

  os::SystemThreads threads_;
  memory::MemoryLog log_{log_options(), threads_};
  Harness harness_{log_};
};

TEST_F(StoreMetricsTest, EachRequestIsCountedUnderItsType) {
  harness_.start();
  EXPECT_EQ(requests("ClusterMemberAttrSet", true), 1u);
  EXPECT_EQ(requests("ClusterVersionSet", true), 1u);
  harness_.put("a", "1");
  // As in etcd: it went through the log, so it is a success.
  EXPECT_EQ(harness_.put("a", "1", 77).error, Error::kLeaseNotFound);
  EXPECT_EQ(requests("Put", true), 2u);
  EXPECT_EQ(requests("Put", false), 0u);
  harness_.propose(command_of(model::DeleteRangeRequest{.key = "b", .range_end = ""})).get();
  harness_.propose(command_of(model::CompactionRequest{.revision = 2})).get();
  harness_.propose(command_of(model::LeaseGrantRequest{.ttl = 100, .id = 5})).get();
  harness_.propose(command_of(model::LeaseRevokeRequest{.id = 5})).get();
  for (const char* type : {"DeleteRange", "Compaction", "LeaseGrant", "LeaseRevoke"})
    EXPECT_EQ(requests(type, true), 1u) << type;
}

TEST_F(StoreMetricsTest, ReadsAreCountedByOutcome) {
  harness_.start();
  harness_.value("a");
  model::RangeRequest request{.key = "a", .range_end = "", .revision = 100};
  EXPECT_EQ(harness_.range(request).get().error, Error::kFutureRev);
  request = {.key = "a", .range_end = "b", .serializable = true};
  EXPECT_EQ(harness_.range(request).get().error, Error::kNone);
  EXPECT_EQ(ranges(true), 2u);
  EXPECT_EQ(ranges(false), 1u);
  EXPECT_EQ(requests("Range", true), 2u);
  EXPECT_EQ(requests("Range", false), 1u);
  model::TxnRequest txn;
  txn.success.emplace_back(model::RangeRequest{.key = "a", .range_end = ""});
  EXPECT_EQ(harness_.propose(command_of(std::move(txn))).get().error, Error::kNone);
  EXPECT_EQ(requests("ReadonlyTxn", true), 1u);
  EXPECT_EQ(ranges(true), 2u);
}

TEST_F(StoreMetricsTest, AStreamIsOneRangeAndOpenUntilItEnds) {
  harness_.start();
  base::Gauge& open =
      harness_.metrics.gauge("etcd_mvcc_db_open_read_transactions",
                             "Streams of ranges and snapshots that are being read.");
  model::RangeRequest request{.key = "a", .range_end = "z"};
  for (bool whole : {true, false}) {
    harness_.put("a", "1");
    harness_.put("b", "1");
    Awaited<model::Store::CursorReply> answer;
    harness_.store().range_stream(request, answer.done());
    auto reply = answer.get();
    ASSERT_EQ(reply.error, Error::kNone);
    EXPECT_EQ(open.value(), 1);
    EXPECT_FALSE(reply.cursor->next(1, 1 << 20).last);
    while (whole && !reply.cursor->next(1, 1 << 20).last) {
    }
    reply.cursor.reset();
    EXPECT_EQ(open.value(), 0);
    EXPECT_EQ(ranges(whole), 1u);
  }
  EXPECT_EQ(requests("Range", true) + requests("Range", false), 0u);
}

TEST_F(StoreMetricsTest, AlarmsAreShownWhileTheyAreRaised) {
  harness_.start();
  EXPECT_THAT(harness_.metrics.text(),
              HasSubstr("server_alarms{alarm_type=\"NOSPACE\",server_id=\"1\"} 0\n"));
  auto alarm = [&](model::AlarmAction action, MemberId member) {
    harness_
        .propose(command_of(model::AlarmRequest{
            .action = action, .member = member, .alarm = model::AlarmType::kNoSpace}))
        .get();
  };
  alarm(model::AlarmAction::kActivate, MemberId(1));
  alarm(model::AlarmAction::kActivate, MemberId(0xab));
  std::string text = harness_.metrics.text();
  EXPECT_THAT(text, HasSubstr("server_alarms{alarm_type=\"NOSPACE\",server_id=\"1\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("server_alarms{alarm_type=\"NOSPACE\",server_id=\"ab\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("server_alarms{alarm_type=\"CORRUPT\",server_id=\"1\"} 0\n"));
  alarm(model::AlarmAction::kDeactivate, MemberId(1));
  alarm(model::AlarmAction::kDeactivate, MemberId(0xab));
  text = harness_.metrics.text();
  EXPECT_THAT(text, HasSubstr("server_alarms{alarm_type=\"NOSPACE\",server_id=\"1\"} 0\n"));
  EXPECT_THAT(text, Not(HasSubstr("server_id=\"ab\"")));
}

// A clock that counts how often it is looked at.
class CountingClock final : public base::Clock {
 public:
  base::MonotonicTime now() const override {
    ++looks;
    return clock.now();
  }
  base::WallTime wall() const override { return clock.wall(); }
  tests::ManualClock clock;
  mutable int looks = 0;
};

class ReadTimerTest : public ::testing::Test {
 protected:
  // One read of a key whose barrier and reading take so long.
  void read(base::Duration barrier, base::Duration reading) {
    ReadTimer::Read read = timer_.ask(true);
    clock_.clock.advance(barrier);
    timer_.begin(read);
    clock_.clock.advance(reading);
    timer_.range_done(read, true);
  }

  CountingClock clock_;
  base::Registry registry_;
  ReadTimer timer_{clock_, registry_};
  base::Histogram& ranges_ = range_seconds(registry_, true);
  base::Histogram& requests_ = request_seconds(registry_, "Range", true);
};

TEST_F(ReadTimerTest, OfShortReadsOneIn32LooksAtTheClock) {
  for (int i = 0; i < 320; ++i) read(microseconds(1), microseconds(2));
  EXPECT_EQ(clock_.looks, 3 * 10);
  EXPECT_EQ(ranges_.bucket(0), 320u);
  EXPECT_EQ(requests_.bucket(0), 320u);
  EXPECT_NEAR(requests_.sum(), 320 * 3e-6, 1e-9);
}

TEST_F(ReadTimerTest, AfterALongReadEachIsTimedUntilOneIsShort) {
  for (int i = 0; i < 10; ++i) read(milliseconds(30), microseconds(2));
  EXPECT_EQ(clock_.looks, 3 * 10);
  EXPECT_NEAR(requests_.sum(), 10 * 0.030002, 1e-9);
  EXPECT_EQ(ranges_.bucket(0), 10u);
  read(microseconds(1), microseconds(1));
  clock_.looks = 0;
  read(microseconds(1), microseconds(1));
  EXPECT_EQ(clock_.looks, 0);
}

TEST_F(ReadTimerTest, ListsAreTimedAndSayNothingAboutKeys) {
  read(microseconds(1), microseconds(1));
  ReadTimer::Read list = timer_.ask(false);
  timer_.begin(list);
  clock_.clock.advance(milliseconds(5));
  timer_.range_done(list, true);
  EXPECT_NEAR(ranges_.sum(), 0.005001, 1e-9);
  clock_.looks = 0;
  read(microseconds(1), microseconds(1));
  EXPECT_EQ(clock_.looks, 0);
}

TEST_F(ReadTimerTest, ARefusedReadIsARequestButNoRange) {
  ReadTimer::Read read = timer_.ask(true);
  clock_.clock.advance(milliseconds(1500));
  timer_.range_refused(read);
  EXPECT_NEAR(request_seconds(registry_, "Range", false).sum(), 1.5, 1e-9);
  EXPECT_EQ(range_seconds(registry_, false).sum(), 0);
  EXPECT_TRUE(timer_.ask(true).timed);
}

}  // namespace
}  // namespace keelson::store
