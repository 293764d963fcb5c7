// Making applied changes visible, and what the writer does besides applying.
#include "api/base/check.h"
#include "backends/engine/core.h"

namespace keelson::engine {

namespace {
constexpr size_t kReclaimFrom = 64;
constexpr size_t kReclaimPerPublish = 256;
constexpr size_t kKeptEvents = 1024;  // room kept between batches

void free_view(void*, void* view) {
  delete static_cast<View*>(view);
}
}  // namespace

Core::Core(EngineOptions options)
    : options_(options),
      tree_(epochs_),
      log_(epochs_),
      births_(epochs_),
      tables_(std::make_shared<const Tables>()) {
  publish_view();
}

Core::~Core() {
  KEELSON_CHECK(row_pins_.load() == 0, "engine destroyed under a checkpoint source or a hash");
  epochs_.drain();
  for (model::Record* orphan : orphans_) orphan->unref();
  delete view_.load();
}

// Drops the events that were published.
void Core::forget_events() {
  events_.clear();
  if (events_.capacity() > kKeptEvents) events_.shrink_to_fit();
  batches_.clear();
  handed_on_ = false;
}

std::span<const model::RevisionEvents> Core::unpublished_events() const {
  spans_.clear();
  if (handed_on_) return spans_;
  for (const Batch& batch : batches_) {
    spans_.push_back(
        {batch.revision, std::span(events_).subspan(batch.first, batch.end - batch.first)});
  }
  return spans_;
}

int64_t Core::working_bytes() const {
  size_t structures =
      tree_.bytes() + cells_.bytes() + log_.bytes() + births_.bytes() + leases_.bytes();
  return record_bytes_ + static_cast<int64_t>(structures);
}

// Puts the working state in front of the readers.
void Core::publish_view() {
  auto* view = new View;
  view->state = snapshot();
  view->log = log_.view();
  view->index = index_;
  view->term = term_;
  view->scheduled_compact = scheduled_compact_;
  view->finished_compact = finished_compact_;
  view->tables = tables_;
  const View* old = view_.exchange(view, std::memory_order_seq_cst);
  published_revision_.store(current_, std::memory_order_release);
  published_compact_.store(compact_, std::memory_order_release);
  published_index_.store(index_.value(), std::memory_order_release);
  published_term_.store(term_.value(), std::memory_order_release);
  published_live_.store(static_cast<int64_t>(tree_.live()), std::memory_order_relaxed);
  published_rows_.store(row_bytes_, std::memory_order_relaxed);
  resident_.store(working_bytes(), std::memory_order_relaxed);
  if (old != nullptr) epochs_.retire(nullptr, const_cast<View*>(old), &free_view);
  tree_.published();
  epochs_.seal();
}

Revision Core::publish() {
  if (dirty_) {
    publish_view();
    leases_.published(index_);
    dirty_ = false;
    if (!compactions_.empty()) publish_compactions();
  }
  handed_on_ = true;  // the next change drops them: the store shows them to watchers until then
  // Looking at all readers is not free, so a few objects are let gather first.
  if (epochs_.waiting() >= kReclaimFrom) epochs_.reclaim(kReclaimPerPublish);
  return current_;
}

// From here on readers refuse what the new compactions refuse.
void Core::publish_compactions() {
  std::lock_guard lock(compaction_mutex_);
  for (Compaction& compaction : compactions_) {
    if (compaction.published) continue;
    compaction.published = true;
    compaction.epoch = epochs_.current();
  }
}

}  // namespace keelson::engine
