// A call without a connection: keeps what the service sends.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "shim/transport/service.h"

namespace keelson::tests {

// Thread-safe.
class FakeCall final : public transport::Call {
 public:
  explicit FakeCall(transport::Metadata metadata = {}) : metadata_(std::move(metadata)) {}

  const transport::Metadata& metadata() const override { return metadata_; }
  const transport::Peer& peer() const override { return peer_; }
  std::optional<base::MonotonicTime> deadline() const override { return std::nullopt; }
  void send(base::Payload message) override {
    std::scoped_lock lock(mutex_);
    if (status_) return;
    queued_ += message.size();
    messages_.push_back(message.flatten());
    changed_.notify_all();
  }
  void finish(transport::Status status) override {
    std::scoped_lock lock(mutex_);
    ++finishes_;
    if (!status_) status_ = std::move(status);
    changed_.notify_all();
  }
  size_t queued_bytes() const override {
    std::scoped_lock lock(mutex_);
    return queued_;
  }
  bool cancelled() const override {
    std::scoped_lock lock(mutex_);
    return cancelled_;
  }

  // The client took everything that was queued.
  void drain() {
    std::scoped_lock lock(mutex_);
    queued_ = 0;
  }
  void cancel() {
    std::scoped_lock lock(mutex_);
    cancelled_ = true;
  }
  bool finished() const {
    std::scoped_lock lock(mutex_);
    return status_.has_value();
  }
  // Waits for the end; code -1 when it does not come within ten seconds.
  transport::Status wait() {
    std::unique_lock lock(mutex_);
    bool came =
        changed_.wait_for(lock, std::chrono::seconds(10), [&] { return status_.has_value(); });
    return came ? *status_ : transport::Status{-1, "the call did not end"};
  }
  // Waits for `count` messages in all, at most ten seconds.
  std::vector<std::string> messages(size_t count = 0) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(10), [&] { return messages_.size() >= count; });
    return messages_;
  }
  int finishes() const {
    std::scoped_lock lock(mutex_);
    return finishes_;
  }

 private:
  const transport::Metadata metadata_;
  const transport::Peer peer_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> messages_;
  std::optional<transport::Status> status_;
  size_t queued_ = 0;
  int finishes_ = 0;
  bool cancelled_ = false;
};

}  // namespace keelson::tests
