// The writes: every change of a key goes through write() or kill().
#include <algorithm>

#include "api/base/check.h"
#include "api/base/wire.h"
#include "backends/engine/core.h"

namespace keelson::engine {

namespace wire = base::wire;
using model::Error;
using model::Record;

Snapshot Core::snapshot() const {
  Snapshot state;
  state.root = tree_.root();
  state.revision = sub_ > 0 ? current_ + 1 : current_;
  state.compact = compact_;
  state.births = births_.view();
  return state;
}

// Appends the version to the log and to the events of this command.
void Core::log_version(Record* record, Record* old) {
  record->set_sub(sub_++);
  record->set_previous(old);
  log_.append(record);
  record_bytes_ += static_cast<int64_t>(record->footprint());
  row_bytes_ += static_cast<int64_t>(17 + (record->tombstone() ? 1 : 0) + record->row().size());
  // What watchers see as the previous version is that of the revision before, not of an earlier
  // operation of the same transaction; what was created has none, even where a transaction deleted
  // the key first.
  if (!record->tombstone() && record->create() == record->mod()) old = nullptr;
  while (old != nullptr && old->mod() == record->mod()) old = old->previous();
  if (old != nullptr && old->tombstone()) old = nullptr;
  model::Event& event = events_.emplace_back();
  event.type = record->tombstone() ? model::EventType::kDelete : model::EventType::kPut;
  event.record = model::RecordRef::share(record);
  event.previous = model::RecordRef::share(old);
}

void Core::write(Cell* cell, std::string_view key, const model::PutRequest& request) {
  Record* head = cell == nullptr ? nullptr : cell->newest();
  Record* old = head != nullptr && !head->tombstone() ? head : nullptr;
  LeaseId old_lease = old == nullptr ? 0 : old->lease();
  // A key deleted earlier in the same transaction has nothing to keep; services refuse that.
  std::string_view kept = old == nullptr ? std::string_view() : old->value();
  std::string_view value = request.ignore_value ? kept : request.value;
  LeaseId lease = request.ignore_lease ? old_lease : request.lease;
  Revision main = next_revision();
  Record* record = Record::make({key, value, old == nullptr ? main : old->create(), main,
                                 old == nullptr ? 1 : old->version() + 1, lease});
  log_version(record, head);
  if (cell == nullptr) {
    cell = cells_.make(record);
    tree_.insert(cell);
    births_.append(main, *cell, true);
  } else {
    cell->head.store(record, std::memory_order_release);
    if (old == nullptr) {
      tree_.set_live(key, true);
      births_.append(main, *cell, true);
    }
  }
  if (old_lease != lease) {
    if (old_lease != 0) leases_.detach(old_lease, *cell);
    if (lease != 0) leases_.attach(lease, *cell);
  }
}

// REQUIRES: the key lives.
void Core::kill(Cell* cell) {
  Record* old = cell->newest();
  LeaseId lease = old->lease();
  Record* record = Record::make_tombstone(old->key(), next_revision());
  log_version(record, old);
  cell->head.store(record, std::memory_order_release);
  tree_.set_live(record->key(), false);
  births_.append(record->mod(), *cell, false);
  if (lease != 0) leases_.detach(lease, *cell);
}

void Core::put(const model::PutRequest& request, std::string& out) {
  Cell* cell = find(*tree_.root(), request.key);
  if (request.prev_kv && cell != nullptr && !cell->newest()->tombstone()) {
    // PutResponse.prev_kv has the number of RangeResponse.kvs.
    out.append(cell->newest()->frame());
  }
  write(cell, request.key, request);
}

Error Core::apply_put(const model::PutRequest& request, std::string& out) {
  Cell* cell = find(*tree_.root(), request.key);
  Record* head = cell == nullptr ? nullptr : cell->newest();
  Record* old = head != nullptr && !head->tombstone() ? head : nullptr;
  Error error = check_put(*this, request, old);
  if (error != Error::kNone) return error;
  if (request.prev_kv && old != nullptr) out.append(old->frame());
  write(cell, request.key, request);
  return Error::kNone;
}

void Core::delete_range(const model::DeleteRangeRequest& request, std::string& out) {
  doomed_.clear();
  if (request.range().single()) {
    Cell* cell = find(*tree_.root(), request.key);
    if (cell != nullptr && !cell->newest()->tombstone()) doomed_.push_back(cell);
  } else {
    scan(*tree_.root(), request.range(), [&](const Leaf& leaf, size_t begin, size_t end) {
      for (size_t i = begin; i < end; ++i) {
        if (leaf.live >> i & 1) doomed_.push_back(leaf.cells[i]);
      }
      return true;
    });
  }
  wire::append_int(out, 2, static_cast<int64_t>(doomed_.size()));
  if (request.prev_kv) {
    size_t size = out.size();
    for (const Cell* cell : doomed_) size += cell->newest()->frame().size();
    out.reserve(size);
    for (const Cell* cell : doomed_) {
      wire::append_tag(out, 3, wire::kBytes);
      out.append(cell->newest()->field_body());
    }
  }
  for (Cell* cell : doomed_) kill(cell);
}

// Closes the revision that the command's changes make together, if there were any.
void Core::finish_change() {
  if (sub_ == 0) return;
  size_t first = batches_.empty() ? 0 : batches_.back().end;
  ++current_;
  sub_ = 0;
  batches_.push_back({current_, first, events_.size()});
}

}  // namespace keelson::engine
