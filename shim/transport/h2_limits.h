// Rules about what a peer may do how often. Pure: time is an argument.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "api/base/clock.h"

namespace keelson::transport {

// Streams of one connection when the flag sets no limit. Each costs about a KiB.
inline constexpr uint32_t kMostStreams = 100'000;
// Bytes of unfinished requests of one connection.
inline constexpr size_t kMostHeldPerConnection = 256ull << 20;
// What a connection may hold when others have filled the server's part (`most`): about what it
// costs anyway.
inline constexpr size_t kHeldInAnyCase = 64 << 10;
inline bool may_hold(size_t connection, size_t server, size_t most) {
  return connection <= kMostHeldPerConnection && (server <= most || connection <= kHeldInAnyCase);
}
// Bytes of unsent answers above which a connection's new requests are refused.
inline constexpr size_t kMostQueued = 256ull << 20;
// Frames of a connection, other than DATA, that may wait to be written; it is read on below.
inline constexpr size_t kMostWaitingFrames = 1000;

// Which PINGs are too many, as grpc-go's server decides: one is a strike when it comes sooner than
// `min_time` after the one before (two hours without open streams); sending headers or data
// forgives; the third strike ends the connection.
class PingPolicy {
 public:
  explicit PingPolicy(base::Duration min_time) : min_time_(min_time) {}
  // Headers or data went out.
  void on_sent(base::MonotonicTime now) {
    forgiven_ = true;
    sent_ = now;
  }
  // Would a PING that comes now be a flow-control probe: the first after an answer that has just
  // been sent? A keep-alive comes after silence.
  bool is_probe(base::MonotonicTime now) const {
    return forgiven_ && now - sent_ < std::chrono::seconds(1);
  }
  // False when the connection must end.
  bool on_ping(base::MonotonicTime now, bool streams_open) {
    const base::Duration least = streams_open ? min_time_ : base::Duration(std::chrono::hours(2));
    const bool early = seen_ && now - last_ < least;
    last_ = now;
    seen_ = true;
    if (forgiven_) {
      forgiven_ = false;
      strikes_ = 0;
      return true;
    }
    return !early || ++strikes_ <= 2;
  }

 private:
  const base::Duration min_time_;
  base::MonotonicTime last_, sent_;
  bool seen_ = false, forgiven_ = false;
  int strikes_ = 0;
};

// A probe that waits for its acknowledgement, and how long it may.
//
// grpc-go sends one with the first data after the last one was acknowledged, to measure the path.
// Answered at once, each costs both sides a write and a read as large as a small answer's own. From
// the acknowledgement the peer learns how much came in between, and widens its windows if that is
// two thirds of them, 64 KiB at first (grpc-go, bdp_estimator.go; no timer waits for it). So it
// goes behind the write that makes it worth sending, last, so that the data of that write do not
// cause the next probe. Other clients' probes cannot be told from keep-alives with certainty, whose
// answer somebody may wait for: these travel with the next write, whatever that holds.
class WaitingProbe {
 public:
  static constexpr uint8_t kOfGrpcGo[8] = {2, 4, 16, 16, 9, 14, 7, 7};
  static constexpr size_t kWorth = 32 << 10;

  // The payload of the PING, kept until it is acknowledged. Gives the longest time until then.
  base::Duration begin(const uint8_t* payload) {
    std::memcpy(payload_, payload, sizeof payload_);
    patient_ = std::memcmp(payload, kOfGrpcGo, sizeof payload_) == 0;
    sent_ = 0;
    return patient_ ? base::Duration(std::chrono::seconds(1)) : std::chrono::milliseconds(100);
  }
  // So many bytes are being written: is the acknowledgement to follow them?
  bool on_write(size_t bytes) {
    sent_ += bytes;
    return sent_ >= (patient_ ? kWorth : 1);
  }
  const uint8_t* payload() const { return payload_; }

 private:
  uint8_t payload_[8] = {};
  bool patient_ = false;
  size_t sent_ = 0;
};

// Frames that make work and bring nothing (SETTINGS, PING, PRIORITY, RST_STREAM, empty DATA): a
// bucket of 10,000 that fills by 1,000 a second. 3,000 calls cancelled at once are within it.
// Probes cost nothing: there are no more of them than answers.
class ControlBudget {
 public:
  bool take(base::MonotonicTime now, int64_t tokens) {
    const int64_t ms = (now - last_).count() / 1'000'000;
    if (ms > 0) {
      left_ = std::min(kMost, left_ + ms);
      last_ = now;
    }
    left_ -= tokens;
    return left_ >= 0;
  }

 private:
  static constexpr int64_t kMost = 10'000;
  int64_t left_ = kMost;
  base::MonotonicTime last_;
};

}  // namespace keelson::transport
