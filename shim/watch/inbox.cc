#include "shim/watch/inbox.h"

#include <algorithm>
#include <utility>

#include "api/base/check.h"

namespace keelson::watch {

void Inbox::Mail::clear() {
  commands.clear();
  reset.reset();
  skipped = 0;
  events.clear();
  revisions.clear();
  published = 0;
  compacted = -1;
  leader.reset();
}

void Inbox::ring(std::unique_lock<std::mutex>& lock) {
  ready_ = true;
  if (!std::exchange(sleeping_, false)) return;
  lock.unlock();
  bell_.notify_one();
}

void Inbox::post(Command command) {
  std::unique_lock lock(mutex_);
  if (std::holds_alternative<WatchSpec>(command.what)) ++interest_;
  mail_.commands.push_back(std::move(command));
  ring(lock);
}

void Inbox::drop_events(Revision published) {
  mail_.events.clear();
  mail_.revisions.clear();
  bytes_ = 0;
  mail_.skipped = published;
}

void Inbox::events(std::span<const model::RevisionEvents> batch, Revision published) {
  std::unique_lock lock(mutex_);
  mail_.published = published;
  if (interest_ == 0) {
    drop_events(published);
    return;
  }
  for (const model::RevisionEvents& revision : batch) {
    for (const model::Event& event : revision.events) {
      bytes_ += event.record->footprint() + (event.previous ? event.previous->footprint() : 0);
      mail_.events.push_back(event);
    }
    mail_.revisions.emplace_back(revision.revision, mail_.events.size());
  }
  if (bytes_ > most_bytes_) drop_events(published);
  ring(lock);
}

void Inbox::reset(Revision published, bool went_back) {
  std::unique_lock lock(mutex_);
  drop_events(published);
  mail_.published = published;
  bool before = mail_.reset && mail_.reset->went_back;
  mail_.reset = Reset{published, went_back || before};
  ring(lock);
}

void Inbox::compacted(Revision revision) {
  std::unique_lock lock(mutex_);
  mail_.compacted = std::max(mail_.compacted, revision);
  if (interest_ != 0) ring(lock);
}

void Inbox::leader(bool present) {
  std::unique_lock lock(mutex_);
  mail_.leader = present;
  ring(lock);
}

void Inbox::stop() {
  std::unique_lock lock(mutex_);
  stopped_ = true;
  sleeping_ = true;  // rest() is no sleep that others end
  ring(lock);
}

void Inbox::take(Mail& mail) {
  std::unique_lock lock(mutex_);
  std::swap(mail, mail_);
  bytes_ = 0;
  ready_ = false;
}

void Inbox::wait(std::optional<base::Duration> timeout) {
  std::unique_lock lock(mutex_);
  if (something()) return;
  sleeping_ = true;
  if (timeout) {
    bell_.wait_for(lock, *timeout, [this] { return something(); });
  } else {
    bell_.wait(lock, [this] { return something(); });
  }
  sleeping_ = false;
}

void Inbox::rest(base::Duration time) {
  std::unique_lock lock(mutex_);
  bell_.wait_for(lock, time, [this] { return stopped(); });
}

void Inbox::lose_interest(size_t watches) {
  if (watches == 0) return;
  std::unique_lock lock(mutex_);
  KEELSON_CHECK(watches <= interest_, "more watches ended than began");
  interest_ -= watches;
}

}  // namespace keelson::watch
