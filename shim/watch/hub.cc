#include "shim/watch/hub.h"

#include <algorithm>
#include <type_traits>
#include <utility>
#include <variant>

namespace keelson::watch {

namespace {
// A turn that sends little is timed when the next wait needs the time anyway, and else once in so
// many; the others count as having taken as long, unless that was long.
constexpr size_t kUntimedTurns = 31;
constexpr size_t kFewMessages = 16;
constexpr base::Duration kShortTurn = std::chrono::microseconds(500);
}  // namespace

Hub::Hub(Parts parts, HubOptions options)
    : rest_messages_(options.rest_messages),
      rest_(options.rest),
      clock_(parts.clock),
      scope_(parts.scope),
      core_(options, parts.store, parts.cluster, parts.random, parts.metrics),
      inbox_(options.inbox_bytes) {
  inbox_.reset(parts.store.published_revision(), false);
}

Hub::~Hub() {
  stop();
}

void Hub::start(base::Threads& threads) {
  thread_ = threads.start("watch", [this] { run(); });
}

void Hub::stop() {
  inbox_.stop();
  thread_.reset();
}

StreamId Hub::open_stream(std::shared_ptr<StreamSink> sink, StreamOptions options) {
  StreamId id = next_stream_.fetch_add(1, std::memory_order_relaxed);
  inbox_.post({id, OpenCommand{std::move(sink), options}});
  return id;
}

void Hub::create(StreamId stream, WatchSpec spec) {
  inbox_.post({stream, std::move(spec)});
}
void Hub::cancel(StreamId stream, int64_t watch_id) {
  inbox_.post({stream, CancelCommand{watch_id}});
}
void Hub::progress(StreamId stream) {
  inbox_.post({stream, ProgressCommand{}});
}
void Hub::writable(StreamId stream) {
  inbox_.post({stream, WritableCommand{}});
}
void Hub::close_stream(StreamId stream) {
  inbox_.post({stream, CloseCommand{}});
}
void Hub::finish_stream(StreamId stream, model::Error error) {
  inbox_.post({stream, FinishCommand{error}});
}

void Hub::on_events(std::span<const model::RevisionEvents> batch, Revision published) {
  inbox_.events(batch, published);
}
void Hub::on_compacted(Revision revision) {
  inbox_.compacted(revision);
}
void Hub::on_reset(Revision published, Revision, bool went_back) {
  inbox_.reset(published, went_back);
}
void Hub::on_leader(bool present) {
  inbox_.leader(present);
}

void Hub::execute(Command& command) {
  StreamId id = command.stream;
  std::visit(
      [&](auto& what) {
        using What = std::decay_t<decltype(what)>;
        if constexpr (std::is_same_v<What, OpenCommand>) {
          core_.open(id, std::move(what.sink), what.options, begun_);
        } else if constexpr (std::is_same_v<What, CloseCommand>) {
          core_.close(id);
        } else if constexpr (std::is_same_v<What, WatchSpec>) {
          core_.create(id, std::move(what));
        } else if constexpr (std::is_same_v<What, CancelCommand>) {
          core_.cancel(id, what.watch_id);
        } else if constexpr (std::is_same_v<What, ProgressCommand>) {
          core_.progress(id);
        } else if constexpr (std::is_same_v<What, WritableCommand>) {
          core_.writable(id);
        } else {
          core_.finish(id, what.error);
        }
      },
      command.what);
}

bool Hub::run_once() {
  mail_.clear();
  inbox_.take(mail_);
  begun_ = clock_.now();
  if (scope_) scope_->begin();
  for (Command& command : mail_.commands) execute(command);
  if (mail_.reset) core_.reset(mail_.reset->published, mail_.reset->went_back);
  core_.skip_to(mail_.skipped);
  size_t begin = 0;
  for (auto [revision, end] : mail_.revisions) {
    core_.revision({revision, std::span(mail_.events).subspan(begin, end - begin)});
    begin = end;
  }
  core_.published(mail_.published);
  if (mail_.compacted >= 0) core_.compacted(mail_.compacted);
  if (mail_.leader) core_.leader(*mail_.leader);
  bool more = core_.serve(begun_);
  if (scope_) scope_->end();
  measure();
  inbox_.lose_interest(core_.take_ended());
  return more;
}

void Hub::measure() {
  end_.reset();
  const size_t messages = core_.turn_messages();
  if (messages == 0) return;
  if (untimed_ == 0 || messages > kFewMessages || core_.next_deadline()) {
    end_ = clock_.now();
    took_ = *end_ - begun_;
    untimed_ = took_ < kShortTurn ? kUntimedTurns : 0;
  } else {
    --untimed_;
  }
  core_.end_turn(took_);
}

void Hub::run() {
  for (;;) {
    bool more = run_once();
    if (inbox_.stopped()) return;
    if (more) continue;
    if (core_.take_sent() >= rest_messages_) {
      inbox_.rest(rest_);
      continue;
    }
    std::optional<base::Duration> timeout;
    if (auto deadline = core_.next_deadline()) {
      timeout = std::max(*deadline - (end_ ? *end_ : clock_.now()), base::Duration(0));
    }
    inbox_.wait(timeout);
  }
}

}  // namespace keelson::watch
