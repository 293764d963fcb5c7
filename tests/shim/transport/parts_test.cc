// The pure parts of the transport.
#include <gtest/gtest.h>
#include <poll.h>

#include <random>
#include <thread>

#include "shim/transport/deframe.h"
#include "shim/transport/gather.h"
#include "shim/transport/grpc_wire.h"
#include "shim/transport/h2_limits.h"
#include "shim/transport/h2_scan.h"
#include "shim/transport/http1_parser.h"
#include "shim/transport/http_exchange.h"
#include "shim/transport/inbox.h"
#include "shim/transport/timer_wheel.h"
#include "tests/shim/transport/test_server.h"
#include "tests/support/seed.h"

namespace keelson::transport {
namespace {

using base::Duration;
using base::MonotonicTime;
using std::chrono::milliseconds;

TEST(GrpcWire, Timeouts) {
  std::string error;
  EXPECT_EQ(parse_timeout("5S", error), std::chrono::seconds(5));
  EXPECT_EQ(parse_timeout("99999999n", error), Duration(99999999));
  EXPECT_EQ(parse_timeout("1H", error), std::chrono::hours(1));
  EXPECT_EQ(parse_timeout("99999999H", error), Duration(INT64_MAX));
  EXPECT_FALSE(parse_timeout("S", error));
  EXPECT_EQ(error, "transport: timeout string is too short: \"S\"");
  EXPECT_FALSE(parse_timeout("123456789S", error));
  EXPECT_EQ(error, "transport: timeout string is too long: \"123456789S\"");
  EXPECT_FALSE(parse_timeout("5x", error));
  EXPECT_EQ(error, "transport: timeout unit is not recognized: \"5x\"");
  EXPECT_FALSE(parse_timeout("-5S", error));
}

TEST(GrpcWire, Base64) {
  EXPECT_EQ(base64_encode(std::string("\0\1\2", 3)), "AAEC");
  EXPECT_EQ(base64_encode("a"), "YQ");
  EXPECT_EQ(base64_decode("YQ"), "a");
  EXPECT_EQ(base64_decode("YQ=="), "a");
  EXPECT_EQ(base64_decode(""), "");
  EXPECT_FALSE(base64_decode("Y"));
  EXPECT_FALSE(base64_decode("Y=Q="));
  std::mt19937 random(1);
  for (int i = 0; i < 100; ++i) {
    std::string bytes(random() % 50, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    EXPECT_EQ(base64_decode(base64_encode(bytes)), bytes);
  }
}

TEST(GrpcWire, ContentTypes) {
  EXPECT_EQ(classify_content_type("application/grpc"), ContentType::kGrpc);
  EXPECT_EQ(classify_content_type("application/grpc+proto"), ContentType::kGrpc);
  EXPECT_EQ(classify_content_type("application/grpc;x=y"), ContentType::kGrpc);
  EXPECT_EQ(classify_content_type("application/grpc-web"), ContentType::kMalformedGrpc);
  EXPECT_EQ(classify_content_type("application/json"), ContentType::kOther);
}

TEST(Deframer, MessagesInAnyPieces) {
  std::mt19937_64 random(tests::run_seed());
  std::vector<std::string> sent;
  std::string wire;
  for (int i = 0; i < 50; ++i) {
    sent.push_back(std::string(random() % 300, static_cast<char>('a' + i % 26)));
    wire += grpc_message(sent.back());
  }
  Deframer deframer;
  deframer.configure(Encoding::kIdentity, "", 1000);
  std::vector<std::string> got;
  for (size_t at = 0; at < wire.size();) {
    const size_t n = std::min<size_t>(1 + random() % 100, wire.size() - at);
    std::string_view piece(wire.data() + at, n);
    at += n;
    std::string message;
    Status error;
    while (!piece.empty() && deframer.next(piece, message, error) == Deframer::Step::kMessage)
      got.push_back(message);
    EXPECT_EQ(error.code, 0);
  }
  EXPECT_EQ(got, sent);
  EXPECT_EQ(deframer.held(), 0u);
}

TEST(Deframer, UnknownFlags) {
  Deframer deframer;
  deframer.configure(Encoding::kIdentity, "", 1000);
  std::string_view in("\2\0\0\0\0", 5);
  std::string message;
  Status error;
  EXPECT_EQ(deframer.next(in, message, error), Deframer::Step::kError);
  EXPECT_EQ(error.message, "grpc: received unexpected payload format 2");
}

struct Fired {
  Timer timer{[](void* self) { static_cast<Fired*>(self)->fire(); }, this};
  MonotonicTime due, at, *now = nullptr;
  int count = 0;
  void fire() {
    ++count;
    at = *now;
  }
};

// Against the definition: each timer fires once, not before its time and at most two ticks after
// the step that reaches it; until_next() never promises more rest than there is.
TEST(TimerWheel, RandomTimers) {
  std::mt19937_64 random(tests::run_seed());
  MonotonicTime now{milliseconds(random() % 100'000'000)};
  TimerWheel wheel(now);
  std::vector<std::unique_ptr<Fired>> timers;
  const Duration ranges[] = {milliseconds(20), std::chrono::seconds(3), std::chrono::minutes(20),
                             std::chrono::hours(70)};
  for (int i = 0; i < 400; ++i) {
    auto& t = *timers.emplace_back(std::make_unique<Fired>());
    t.now = &now;
    t.due = now +
            Duration(static_cast<int64_t>(random() % static_cast<uint64_t>(ranges[i % 4].count())));
    wheel.set(t.timer, t.due);
  }
  for (int i = 0; i < 40; ++i) wheel.cancel(timers[static_cast<size_t>(i) * 10]->timer);
  while (true) {
    const Duration rest = wheel.until_next(now);
    if (rest.count() < 0) break;
    MonotonicTime nearest{Duration(INT64_MAX)};
    for (const auto& t : timers)
      if (t->timer.armed()) nearest = std::min(nearest, t->due);
    ASSERT_LE((now + rest).since_start.count(), (nearest + milliseconds(9)).since_start.count());
    const MonotonicTime before = now;
    now = now + rest + milliseconds(1);
    wheel.advance(now);
    for (const auto& t : timers)
      if (t->count == 1 && t->at == now) {
        ASSERT_GE(now, t->due);
        ASSERT_GE(t->due + milliseconds(9), before);
      }
  }
  for (size_t i = 0; i < timers.size(); ++i)
    EXPECT_EQ(timers[i]->count, i % 10 == 0 && i < 400 ? 0 : 1) << i;
}

TEST(Inbox, ManyWritersOneReader) {
  struct Item : InboxItem {
    std::vector<int>* log;
    int number = 0;
    void deliver() override { log->push_back(number); }
  };
  const auto inbox = std::make_shared<Inbox>();
  std::vector<int> log;
  os::SystemThreads threads;
  {
    std::vector<std::unique_ptr<base::Thread>> writers;
    for (int w = 0; w < 4; ++w)
      writers.push_back(threads.start("w", [&, w] {
        for (int i = 0; i < 500; ++i) {
          const AnswerBatch batch;
          auto item = std::make_shared<Item>();
          item->log = &log;
          item->number = w * 1000 + i;
          inbox->push(std::move(item));
        }
      }));
    while (log.size() < 2000) inbox->deliver_all();
  }
  // Each writer's own order is kept.
  int last[4] = {-1, -1, -1, -1};
  for (int number : log) {
    EXPECT_EQ(number % 1000, last[number / 1000] + 1);
    last[number / 1000] = number % 1000;
  }
  inbox->close();
  auto late = std::make_shared<Item>();
  std::weak_ptr<Item> watch = late;
  inbox->push(std::move(late));
  EXPECT_TRUE(watch.expired());
}

// Who found the queue filled left the reader asleep and relied on who had filled it: where that one
// was in a long batch, an answer of another thread waited for the batch's end.
TEST(Inbox, AnotherThreadsBatchHoldsNobodyUp) {
  struct Item : InboxItem {
    void deliver() override {}
  };
  const auto inbox = std::make_shared<Inbox>();
  ASSERT_TRUE(inbox->prepare_sleep());
  pollfd wake{inbox->wake_fd(), POLLIN, 0};
  const AnswerBatch batch;
  inbox->push(std::make_shared<Item>());
  EXPECT_EQ(::poll(&wake, 1, 0), 0) << "the batch has not ended";
  std::thread([&] { inbox->push(std::make_shared<Item>()); }).join();
  EXPECT_EQ(::poll(&wake, 1, 0), 1);
}

TEST(Gather, CopiesSmallAndRefersToLarge) {
  Gather gather;
  const std::string large(5000, 'l');
  for (bool copy_all : {false, true}) {
    gather.reset(copy_all);
    gather.append("ab", 2);
    gather.append_stable("cd");
    gather.append_stable(large);
    gather.append("ef", 2);
    EXPECT_EQ(gather.total(), 5006u);
    EXPECT_EQ(gather.pieces().size(), copy_all ? 1u : 3u);
    for (size_t skip : {0, 1, 4, 5, 5003, 5004, 5006}) {
      std::string rest;
      gather.copy_rest(skip, rest);
      EXPECT_EQ(rest, ("abcd" + large + "ef").substr(skip));
    }
  }
}

TEST(PingPolicy, ThreeStrikes) {
  const auto at = [](int ms) { return MonotonicTime{milliseconds(ms)}; };
  PingPolicy policy(milliseconds(100));
  EXPECT_TRUE(policy.on_ping(at(0), true));
  EXPECT_TRUE(policy.on_ping(at(10), true));
  EXPECT_TRUE(policy.on_ping(at(20), true));
  policy.on_sent(at(25));
  EXPECT_TRUE(policy.on_ping(at(30), true));
  EXPECT_TRUE(policy.on_ping(at(40), true));
  EXPECT_TRUE(policy.on_ping(at(200), true));
  EXPECT_TRUE(policy.on_ping(at(210), true));
  EXPECT_FALSE(policy.on_ping(at(220), true));
}

TEST(PingPolicy, AProbeIsTheFirstPingSoonAfterAnAnswer) {
  const auto at = [](int ms) { return MonotonicTime{milliseconds(ms)}; };
  PingPolicy policy(milliseconds(100));
  EXPECT_FALSE(policy.is_probe(at(0)));
  policy.on_sent(at(10));
  EXPECT_TRUE(policy.is_probe(at(11)));
  EXPECT_TRUE(policy.is_probe(at(1009)));
  EXPECT_FALSE(policy.is_probe(at(1010))) << "a keep-alive comes after silence";
  EXPECT_TRUE(policy.on_ping(at(20), true));
  EXPECT_FALSE(policy.is_probe(at(21))) << "one for each answer";
}

TEST(WaitingProbe, OfGrpcGoWaitsForBytes) {
  WaitingProbe probe;
  probe.begin(WaitingProbe::kOfGrpcGo);
  EXPECT_FALSE(probe.on_write(WaitingProbe::kWorth - 1));
  EXPECT_FALSE(probe.on_write(0));
  EXPECT_TRUE(probe.on_write(1));
  probe.begin(WaitingProbe::kOfGrpcGo);
  EXPECT_FALSE(probe.on_write(1)) << "counted anew";
  const uint8_t other[8] = {};
  EXPECT_EQ(probe.begin(other), milliseconds(100));
  EXPECT_FALSE(probe.on_write(0));
  EXPECT_TRUE(probe.on_write(1)) << "it might be a keep-alive";
}

// A few connections that left a GiB of messages unfinished had every other client's requests
// refused, small ones too, for as long as they stayed. Small requests pass whatever others hold.
TEST(Held, OthersCannotLockOutSmallRequests) {
  EXPECT_TRUE(may_hold(200 << 20, 1 << 30, 1 << 30));
  EXPECT_FALSE(may_hold(1 << 20, (1 << 30) + 1, 1 << 30));
  EXPECT_FALSE(may_hold((64 << 10) + 1, (1 << 30) + 1, 1 << 30));
  EXPECT_TRUE(may_hold(64 << 10, 2ull << 30, 1 << 30));
  EXPECT_TRUE(may_hold(256 << 20, 1 << 30, 1 << 30));
  EXPECT_FALSE(may_hold((256 << 20) + 1, 1 << 30, 1 << 30));
}

TEST(FrameScanner, HeadsInAnyPieces) {
  std::string wire(24, 'P');
  for (int32_t id = 1; id < 50; ++id)
    wire += frame_bytes(static_cast<uint8_t>(id % 9), 0, id, std::string(id % 7, 'x'));
  for (size_t step : {1, 2, 5, 9, 10, 1000}) {
    FrameScanner scanner;
    int32_t seen = 0;
    for (size_t from = 0; from < wire.size(); from += step) {
      const std::string piece = wire.substr(from, step);
      FrameScanner::Head head;
      size_t at = 0, start = 0;
      while (scanner.next(piece, at, head, start)) {
        EXPECT_EQ(head.stream_id, ++seen);
        EXPECT_EQ(head.type, seen % 9);
      }
    }
    EXPECT_EQ(seen, 49);
  }
}

TEST(Http, Dates) {
  EXPECT_EQ(http_date({std::chrono::seconds(784111777)}), "Sun, 06 Nov 1994 08:49:37 GMT");
}

}  // namespace
}  // namespace keelson::transport
