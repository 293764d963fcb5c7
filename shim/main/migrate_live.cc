#include "shim/main/migrate_live.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>

#include "backends/follow/etcd_origin.h"
#include "backends/follow/follow.h"
#include "backends/migrate/kine_origin.h"
#include "shim/main/progress_line.h"
#include "shim/main/tool_parts.h"
#include "shim/os/signals.h"
#include "shim/transport/client_connection.h"

namespace keelson::main {

namespace {

class GrpcChannel final : public follow::Channel {
 public:
  explicit GrpcChannel(std::unique_ptr<transport::ClientConnection> connection)
      : connection_(std::move(connection)) {}

  follow::Outcome call(const std::string& method, std::span<const std::string> requests,
                       const follow::Take& take) override {
    using Kind = follow::Outcome::Kind;
    transport::CallEnd end = connection_->call(method, requests, take);
    const Kind kind = end.ok() ? Kind::kDone : end.answered ? Kind::kRefused : Kind::kLost;
    return {kind, end.code, std::move(end.text)};
  }
  void shut() override { connection_->shut(); }

 private:
  const std::unique_ptr<transport::ClientConnection> connection_;
};

follow::Dial dial_to(const transport::ClientTarget& target) {
  return [target](base::Duration patience, std::unique_ptr<follow::Channel>& out) {
    std::unique_ptr<transport::ClientConnection> connection;
    std::string wrong = transport::ClientConnection::open(target, patience, connection);
    if (wrong.empty()) out = std::make_unique<GrpcChannel>(std::move(connection));
    return wrong;
  };
}

// The operator's signals, and what the operator sees.
class Person final : public follow::Operator {
 public:
  Person(const base::Clock& clock, base::Threads& threads) : line_(clock) {
    thread_ = threads.start("signals", [this] { listen(); });
  }
  ~Person() override {
    ending_ = true;
    signals_.wake();
    thread_.reset();
  }

  follow::Order order() override { return order_; }
  void not_yet(const std::string& why) override {
    line_.end();
    say("not yet: " + why + ", then send SIGUSR1 again");
    follow::Order cut_over = follow::Order::kCutOver;
    order_.compare_exchange_strong(cut_over, follow::Order::kFollow);
  }
  void rest(base::Duration at_most) override {
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, at_most, [&] { return order_ == follow::Order::kStop; });
  }
  void tell(const follow::Progress& progress) override {
    if (progress.replayed > 0 && !following_) {
      following_ = true;
      say("equal at revision " + std::to_string(progress.replayed) + "; following. Stop the " +
          "source's clients, then send SIGUSR1 to this process to cut over");
    }
    const bool new_trouble = !progress.trouble.empty() && !waiting_;
    waiting_ = !progress.trouble.empty();
    if (!line_.due() && !new_trouble) return;
    if (waiting_) return line_.show("waiting: " + progress.trouble);
    line_.show("following: revision " + std::to_string(progress.replayed) + ", the source is at " +
               std::to_string(progress.source) + ", " + std::to_string(progress.leases) +
               " leases");
  }
  void end() { line_.end(); }

 private:
  void listen() {
    while (!ending_) {
      const int signal = signals_.wait();
      if (signal == 0) continue;
      obey(os::Signals::is_user(signal) ? follow::Order::kCutOver : follow::Order::kStop, signal);
    }
  }

  void obey(follow::Order order, int signal) {
    std::lock_guard lock(mutex_);
    // A server that does not answer may keep us from stopping; whoever asks twice means it.
    if (order_ == follow::Order::kStop && order == follow::Order::kStop) {
      os::Signals::die_by(signal);
    }
    order_ = order;
    wake_.notify_all();
  }

  os::Signals signals_{true};
  ProgressLine line_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<follow::Order> order_{follow::Order::kFollow};
  std::atomic<bool> ending_{false};
  bool following_ = false, waiting_ = false;
  std::unique_ptr<base::Thread> thread_;  // last: uses all above
};

std::string said(const follow::Report& report) {
  return "revision " + std::to_string(report.revision) + ", compacted at " +
         std::to_string(report.compacted) + ", " + std::to_string(report.leases) +
         (report.leases == 1 ? " lease" : " leases") + ", HashKV " + std::to_string(report.hash_kv);
}

int fail(const std::string& wrong, int code) {
  say("error: " + wrong);
  return code;
}

}  // namespace

int migrate_live(const MigrateFlags& flags) {
  const migrate::Endpoint& source = flags.options.from;
  transport::ClientTarget from, to;
  std::string wrong = parse_target(flags.options.to.place, flags.to_client, to);
  if (wrong.empty() && source.kind == migrate::Kind::kEtcd) {
    wrong = parse_target(source.place, flags.client, from);
  }
  if (!wrong.empty()) return fail(wrong, 2);
  ToolParts tool;
  if (wrong = tool.start(); !wrong.empty()) return fail(wrong, 1);
  const migrate::Parts parts = tool.parts();
  Person person(parts.clock, parts.threads);
  follow::Report report;
  const follow::Options options{dial_to(to), shown(source), shown(flags.options.to)};
  follow::EtcdOrigin etcd(dial_to(from), parts.threads);
  migrate::KineOrigin kine(source, parts, [&](base::Duration time) { person.rest(time); });
  follow::Origin* origin = &etcd;
  if (source.kind != migrate::Kind::kEtcd) origin = &kine;
  wrong = follow::follow(options, *origin, person, {parts.clock, parts.threads}, report);
  person.end();
  if (!wrong.empty()) return fail(wrong, 1);
  if (kine.filled() > 0) {
    say("note: " + std::to_string(kine.filled()) + " of these revisions change nothing in kine; " +
        "there the destination has a write to " + std::string(migrate::kFillerKey));
  }
  say("from " + options.from_name + ": " + said(report));
  say("to " + options.to_name + ": equal; " + std::to_string(report.revision - report.began) +
      " transactions were replayed. Its clients may start");
  return 0;
}

}  // namespace keelson::main
