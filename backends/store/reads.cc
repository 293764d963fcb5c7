// Reads, and what is local to one member: lease renewal, hashes, snapshots.
#include <utility>

#include "api/base/seconds.h"
#include "api/base/wire.h"
#include "backends/store/replicated_store.h"

namespace keelson::store {
namespace {

template <class Evaluate>
model::Reply reply_of(EngineSlot& slot, Evaluate&& evaluate) {
  EngineSlot::Reading engine = slot.read();
  Term term = engine->applied_term();
  engine::Applied result = evaluate(*engine);
  return model::Reply{.error = result.error,
                      .revision = result.revision,
                      .term = term,
                      .body = std::move(result.body)};
}

// etcd's rule: only a flat list of serializable ranges in both branches needs no barrier.
bool serializable(const std::vector<model::RequestOp>& ops) {
  for (const model::RequestOp& op : ops) {
    const auto* range = std::get_if<model::RangeRequest>(&op);
    if (range == nullptr || !range->serializable) return false;
  }
  return true;
}

// Counts one read that keeps a state of its own.
class OpenRead {
 public:
  explicit OpenRead(base::Gauge& open) : open_(open) { open_.add(1); }
  ~OpenRead() { open_.add(-1); }
  OpenRead(const OpenRead&) = delete;
  OpenRead& operator=(const OpenRead&) = delete;

 private:
  base::Gauge& open_;
};

// Keeps the engine that the cursor reads from, and sums up the time that the reading takes.
class HeldCursor final : public model::RangeCursor {
 public:
  HeldCursor(std::shared_ptr<engine::Engine> engine, std::unique_ptr<model::RangeCursor> cursor,
             base::Gauge& open, ReadTimer& timer)
      : open_(open), engine_(std::move(engine)), cursor_(std::move(cursor)), timer_(timer) {}
  ~HeldCursor() override { timer_.stream_done(spent_, last_); }
  Chunk next(size_t max_keys, size_t max_bytes) override {
    base::MonotonicTime begun = timer_.now();
    Chunk chunk = cursor_->next(max_keys, max_bytes);
    spent_ += timer_.now() - begun;
    last_ = chunk.last;
    return chunk;
  }

 private:
  OpenRead open_;
  std::shared_ptr<engine::Engine> engine_;
  std::unique_ptr<model::RangeCursor> cursor_;
  ReadTimer& timer_;
  base::Duration spent_{0};
  bool last_ = false;
};

// Counts as an open read. The file holds all rows, so none are pinned while a client reads it.
class HeldSnapshot final : public model::SnapshotReader {
 public:
  HeldSnapshot(std::unique_ptr<model::SnapshotReader> reader, base::Gauge& open)
      : open_(open), reader_(std::move(reader)) {}
  uint64_t size() const override { return reader_->size(); }
  model::Error read(size_t max_bytes, std::string& out) override {
    return reader_->read(max_bytes, out);
  }

 private:
  OpenRead open_;
  std::unique_ptr<model::SnapshotReader> reader_;
};

}  // namespace

model::Reply ReplicatedStore::evaluate(const model::RangeRequest& request, ReadTimer::Read read) {
  metrics_.ranges.add();
  model::Reply reply =
      reply_of(slot_, [&](engine::Engine& engine) { return engine.range(request); });
  read_timer_.range_done(read, reply.error == model::Error::kNone);
  return reply;
}

model::Reply ReplicatedStore::evaluate(const model::TxnRequest& txn, ReadTimer::Read read) {
  metrics_.ranges.add(txn.success.size());
  model::Reply reply =
      reply_of(slot_, [&](engine::Engine& engine) { return engine.read_txn(txn); });
  read_timer_.txn_done(read, reply.error == model::Error::kNone);
  return reply;
}

// Calls `done` with kNone once everything acknowledged before is visible. Where that has to wait,
// `heavy` work goes to a thread of its own instead of holding up the apply thread.
template <class Done>
void ReplicatedStore::after_barrier(Done done, bool heavy) {
  if (stopped_) return std::move(done)(model::Error::kStopped);
  auto answered = [this, heavy, done = std::move(done)](backends::BarrierReply reply) mutable {
    if (reply.error != model::Error::kNone) {
      metrics_.read_indexes_failed.add();
      return std::move(done)(reply.error);
    }
    // In this order: with all of them done, the engine is the one that the reply is about.
    const uint64_t installs = installs_told_;
    if (installs_done_ >= installs && slot_.read()->applied_index() >= reply.index) [[likely]] {
      return std::move(done)(model::Error::kNone);
    }
    absl::AnyInvocable<void(model::Error)&&> later = std::move(done);
    if (heavy) {
      later = [this, inner = std::move(later)](model::Error error) mutable {
        reader_.post([inner = std::move(inner), error]() mutable { std::move(inner)(error); });
      };
    }
    waiters_.add({reply.index, installs, parts_.clock.now(), std::move(later)});
    // The apply thread may have passed the index between the look above and the addition.
    const uint64_t installed = installs_done_;
    run_waiting(waiters_.take(slot_.read()->applied_index(), installed), model::Error::kNone);
    if (stopped_) [[unlikely]]
      run_waiting(waiters_.take_all(), model::Error::kStopped);
  };
  parts_.log.read_barrier(std::move(answered));
}

void ReplicatedStore::run_waiting(std::vector<WaitingRead> reads, model::Error error) {
  for (WaitingRead& read : reads) std::move(read.done)(error);
}

void ReplicatedStore::range(const model::RangeRequest& request, ReplyDone done) {
  ReadTimer::Read read = read_timer_.ask(request.range().single());
  if (request.serializable) return std::move(done)(evaluate(request, read));
  after_barrier(
      [this, request, read, done = std::move(done)](model::Error error) mutable {
        if (error != model::Error::kNone) {
          read_timer_.range_refused(read);
          return std::move(done)(failed(error));
        }
        read_timer_.begin(read);
        std::move(done)(evaluate(request, read));
      },
      !request.range().single());
}

void ReplicatedStore::read_only_txn(model::Command command, ReplyDone done) {
  ReadTimer::Read read = read_timer_.ask(false);
  const auto& txn = std::get<model::TxnRequest>(command.body);
  if (serializable(txn.success) && serializable(txn.failure)) {
    return std::move(done)(evaluate(txn, read));
  }
  after_barrier(
      [this, command = std::move(command), read,
       done = std::move(done)](model::Error error) mutable {
        if (error != model::Error::kNone) {
          read_timer_.txn_refused(read);
          return std::move(done)(failed(error));
        }
        std::move(done)(evaluate(std::get<model::TxnRequest>(command.body), read));
      },
      true);
}

void ReplicatedStore::range_stream(const model::RangeRequest& request,
                                   base::Done<CursorReply> done) {
  auto open = [this, request, done = std::move(done)](model::Error error) mutable {
    if (error != model::Error::kNone) return std::move(done)(CursorReply{error, nullptr});
    metrics_.ranges.add();
    std::shared_ptr<engine::Engine> engine = slot_.share();
    std::unique_ptr<model::RangeCursor> cursor;
    error = engine->open_cursor(request, cursor);
    if (error != model::Error::kNone) {
      read_timer_.stream_done(base::Duration(0), false);
      return std::move(done)(CursorReply{error, nullptr});
    }
    std::move(done)(
        CursorReply{error, std::make_unique<HeldCursor>(std::move(engine), std::move(cursor),
                                                        metrics_.open_reads, read_timer_)});
  };
  if (request.serializable) return std::move(open)(model::Error::kNone);
  after_barrier(std::move(open), true);
}

void ReplicatedStore::read_barrier(base::Done<model::Error> done) {
  after_barrier([done = std::move(done)](model::Error error) mutable { std::move(done)(error); },
                false);
}

// --- leases ---

void ReplicatedStore::lease_keep_alive(LeaseId id, base::Done<model::LeaseReply> done) {
  model::LeaseReply reply;
  if (stopped_ || leader_ == 0 || !is_leader_) {
    reply.error = stopped_       ? model::Error::kStopped
                  : leader_ == 0 ? model::Error::kNoLeader
                                 : model::Error::kNotPrimaryLessor;
    return std::move(done)(std::move(reply));
  }
  if (leaderless_) return logged_keep_alive(id, std::move(done));
  {
    EngineSlot::Reading engine = slot_.read();
    reply.revision = engine->revision();
    reply.term = engine->applied_term();
    reply.lease = engine->renew_lease(id, parts_.clock.now());
  }
  if (reply.lease.remaining_ttl >= 0) metrics_.leases_renewed.add();
  std::move(done)(std::move(reply));
}

// Where nobody leads, a renewal counts from its place in the log on.
void ReplicatedStore::logged_keep_alive(LeaseId id, base::Done<model::LeaseReply> done) {
  model::Command command;
  command.body = model::LeaseKeepAliveRequest{id};
  submit(std::move(command), [this, id, done = std::move(done)](model::Reply answer) mutable {
    model::LeaseReply reply;
    reply.error = answer.error;
    reply.revision = answer.revision;
    reply.term = answer.term;
    reply.lease.id = id;
    // LeaseKeepAliveResponse{header 1, ID 2, TTL 3}; empty when there is no such lease.
    base::wire::Reader reader(answer.body);
    while (reader.next()) {
      if (reader.field() == 3) {
        reply.lease.granted_ttl = reply.lease.remaining_ttl = reader.integer();
      }
    }
    if (reply.lease.remaining_ttl >= 0) metrics_.leases_renewed.add();
    std::move(done)(std::move(reply));
  });
}

void ReplicatedStore::lease_time_to_live(LeaseId id, bool keys,
                                         base::Done<model::LeaseReply> done) {
  model::LeaseReply reply;
  if (stopped_ || leader_ == 0) {
    reply.error = stopped_ ? model::Error::kStopped : model::Error::kNoLeader;
    return std::move(done)(std::move(reply));
  }
  auto answer = [this, id, keys, done = std::move(done)](model::Error error) mutable {
    model::LeaseReply found;
    found.error = error;
    if (error == model::Error::kNone) {
      EngineSlot::Reading engine = slot_.read();
      found.revision = engine->revision();
      found.term = engine->applied_term();
      found.lease = engine->lease_info(id, keys, parts_.clock.now());
    }
    std::move(done)(std::move(found));
  };
  // The leader knows every lease. An equal of others may not have seen yet what they have granted.
  if (!leaderless_) return std::move(answer)(model::Error::kNone);
  after_barrier(std::move(answer), false);
}

// --- maintenance ---

void ReplicatedStore::hash(base::Done<model::HashReply> done) {
  slow_.post([this, done = std::move(done)]() mutable {
    base::MonotonicTime start = parts_.clock.now();
    std::shared_ptr<engine::Engine> engine = slot_.share();
    model::HashReply reply = engine->hash();
    reply.term = engine->applied_term();
    metrics_.hash_seconds.observe(base::seconds(parts_.clock.now() - start));
    std::move(done)(reply);
  });
}

void ReplicatedStore::hash_kv(Revision revision, base::Done<model::HashReply> done) {
  slow_.post([this, revision, done = std::move(done)]() mutable {
    base::MonotonicTime start = parts_.clock.now();
    std::shared_ptr<engine::Engine> engine = slot_.share();
    model::HashReply reply = engine->hash_kv(revision);
    reply.term = engine->applied_term();
    metrics_.hash_rev_seconds.observe(base::seconds(parts_.clock.now() - start));
    std::move(done)(reply);
  });
}

// Space is given back by compaction itself and the file is written whole: there is nothing to do.
void ReplicatedStore::defragment(base::Done<model::Error> done) {
  metrics_.defrag_seconds.observe(0);
  std::move(done)(stopped_ ? model::Error::kStopped : model::Error::kNone);
}

void ReplicatedStore::snapshot(base::Done<std::unique_ptr<model::SnapshotReader>> done) {
  if (!options_.open_snapshot || stopped_) return std::move(done)(nullptr);
  slow_.post([this, done = std::move(done)]() mutable {
    if (stopped_) return std::move(done)(nullptr);  // stop() waits for this
    base::MonotonicTime start = parts_.clock.now();
    std::unique_ptr<backends::CheckpointSource> source = published_state();
    std::unique_ptr<model::SnapshotReader> reader = options_.open_snapshot(*source);
    source.reset();
    metrics_.snapshot_seconds.observe(base::seconds(parts_.clock.now() - start));
    if (reader == nullptr) return std::move(done)(nullptr);
    std::move(done)(std::make_unique<HeldSnapshot>(std::move(reader), metrics_.open_reads));
  });
}

}  // namespace keelson::store
