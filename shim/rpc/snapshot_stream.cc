#include "shim/rpc/snapshot_stream.h"

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "api/base/wire.h"
#include "shim/rpc/answer.h"
#include "shim/rpc/paced_stream.h"
#include "shim/rpc/request_gate.h"
#include "shim/rpc/unary.h"

namespace keelson::rpc {

namespace {
using model::Error;
namespace wire = base::wire;

constexpr size_t kBlobBytes = 32 * 1024;
constexpr size_t kQueueLimit = 1024 * 1024;
// Each snapshot that is being read is a descriptor and a copy of the state on the disk: without a
// bound one client that reads none of them takes all of either, and the log has none.
constexpr int kMostSnapshots = 8;

// One of the snapshots that are being read, as long as it lives.
class Slot {
 public:
  explicit Slot(const ServiceContext& context)
      : open_(context.open_snapshots), taken_(open_->fetch_add(1) < kMostSnapshots) {
    if (!taken_) --*open_;
  }
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;
  ~Slot() {
    if (taken_) --*open_;
  }
  bool taken() const { return taken_; }

 private:
  const std::shared_ptr<std::atomic<int>> open_;
  const bool taken_;
};

// Shared by the handler (io thread) and the store's answer, which may come on another thread.
class SnapshotStream : public std::enable_shared_from_this<SnapshotStream> {
 public:
  SnapshotStream(ServiceContext& context, transport::CallPtr call, std::string message)
      : context_(context), call_(std::move(call)), message_(std::move(message)), slot_(context) {}

  void start() {
    if (!well_formed(message_)) return fail(*call_, Error::kMalformedMessage);
    if (!slot_->taken()) return fail(*call_, Error::kTooManySnapshots);
    context_.store.snapshot(
        [self = shared_from_this()](std::unique_ptr<model::SnapshotReader> reader) {
          if (reader == nullptr) return fail(*self->call_, Error::kCorrupt);
          {
            std::lock_guard lock(self->mutex_);
            self->version_ = self->context_.store.status().storage_version;
            self->remaining_ = reader->size();
            self->digest_ = self->context_.digests.sha256();
            self->reader_ = std::move(reader);
          }
          self->pump();
        });
  }

  void pump() {
    std::lock_guard lock(mutex_);
    while (reader_ != nullptr && !call_->cancelled() && call_->queued_bytes() < kQueueLimit) {
      std::string blob;
      Error error = reader_->read(kBlobBytes, blob);
      if (error != Error::kNone) {
        close();
        return fail(*call_, error);
      }
      if (!blob.empty()) {
        digest_->update(blob);
        remaining_ -= blob.size();
        send(blob);
        continue;
      }
      std::array<char, 32> sum = digest_->finish();
      send({sum.data(), sum.size()});
      close();
      call_->finish({});
    }
    if (call_->cancelled()) close();
  }

 private:
  void close() {
    reader_.reset();
    slot_.reset();
  }
  // SnapshotResponse{remaining_bytes 2, blob 3, version 4}; etcd sends no header.
  void send(std::string_view blob) {
    base::Payload payload;
    payload.head.reserve(blob.size() + 32);
    wire::append_uint(payload.head, 2, remaining_);
    wire::append_bytes(payload.head, 3, blob);
    wire::append_bytes(payload.head, 4, version_);
    call_->send(std::move(payload));
  }

  ServiceContext& context_;
  transport::CallPtr call_;
  const std::string message_;
  std::mutex mutex_;
  std::optional<Slot> slot_;
  std::unique_ptr<model::SnapshotReader> reader_;
  std::unique_ptr<base::Sha256> digest_;
  std::string version_;
  uint64_t remaining_ = 0;
};
}  // namespace

void add_snapshot_method(transport::MethodTable& table, ServiceContext& context) {
  add_paced_stream<SnapshotStream>(table, context, "/etcdserverpb.Maintenance/Snapshot");
}

}  // namespace keelson::rpc
