#include "backends/sql/mailbox.h"

#include <utility>

namespace keelson::sql {

void Mailbox::push(std::vector<backends::Proposal> proposals, base::MonotonicTime now) {
  std::scoped_lock lock(mutex_);
  for (backends::Proposal& proposal : proposals) {
    work_.proposals.push_back({std::move(proposal), now});
  }
  if (std::exchange(sleeping_, false)) wake_.notify_one();
}

void Mailbox::look() {
  std::scoped_lock lock(mutex_);
  work_.look = true;
  if (std::exchange(sleeping_, false)) wake_.notify_one();
}

void Mailbox::stop() {
  std::scoped_lock lock(mutex_);
  work_.stop = true;
  if (std::exchange(sleeping_, false)) wake_.notify_one();
}

Mailbox::Work Mailbox::wait(base::Duration at_most) {
  std::unique_lock lock(mutex_);
  if (work_.proposals.empty() && !work_.look && !work_.stop) {
    sleeping_ = true;
    wake_.wait_for(lock, at_most, [&] { return !sleeping_; });
    sleeping_ = false;
  }
  Work out = std::exchange(work_, {});
  work_.stop = out.stop;
  return out;
}

Position Mailbox::position() const {
  std::scoped_lock lock(mutex_);
  return position_;
}

void Mailbox::set_position(const Position& position) {
  std::scoped_lock lock(mutex_);
  position_ = position;
}

void Mailbox::contact(base::MonotonicTime now) {
  std::scoped_lock lock(mutex_);
  contact_ = std::max(contact_, now);
}

base::MonotonicTime Mailbox::last_contact() const {
  std::scoped_lock lock(mutex_);
  return contact_;
}

}  // namespace keelson::sql
