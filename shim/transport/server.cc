#include "shim/transport/server.h"

#include <sched.h>

#include <latch>
#include <mutex>
#include <utility>

#include "api/base/check.h"
#include "shim/transport/acceptor.h"
#include "shim/transport/io_loop.h"
#include "shim/transport/listener.h"

namespace keelson::transport {
namespace {

// How long answers that end the calls may take to be written before connections are cut.
constexpr base::Duration kLastWords = std::chrono::milliseconds(500);

// Cores that this process may run on.
int usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

class RealServer final : public Server {
 public:
  RealServer(std::unique_ptr<Core> core, base::Threads& threads)
      : core_(std::move(core)), threads_(threads) {
    int loops = core_->options.io_threads;
    if (loops <= 0) loops = usable_cores();
    for (int i = 0; i < loops; ++i) loops_.push_back(std::make_unique<IoLoop>(*core_));
  }
  ~RealServer() override {
    if (!running_.empty()) drain(base::Duration(0));
    // Connections point at listeners and loops at the core.
    loops_.clear();
    acceptors_.clear();
    listeners_.clear();
  }

  std::string listen(const Listen& listen, const TlsOptions& tls) override {
    KEELSON_CHECK(running_.empty(), "listen() comes before start()");
    std::unique_ptr<TlsContext> context;
    if (listen.tls) {
      std::string error;
      context = TlsContext::make(tls, core_->clock, core_->logger, error);
      if (context == nullptr) return error;
    }
    for (const auto& known : listeners_) {
      if (!known->same_address(listen)) continue;
      // The same address twice: plaintext and TLS side by side, or gRPC and HTTP given apart.
      known->add(listen, std::move(context));
      ports_.push_back(known->port());
      return "";
    }
    auto made = std::make_unique<Listener>();
    if (std::string error = made->open(listen, core_->options); !error.empty()) return error;
    made->add(listen, std::move(context));
    ports_.push_back(made->port());
    listeners_.push_back(std::move(made));
    return "";
  }

  std::vector<uint16_t> ports() const override { return ports_; }

  void start() override {
    for (auto& listener : listeners_) {
      acceptors_.push_back(std::make_unique<Acceptor>(*listener, loops_, next_loop_));
      Acceptor* acceptor = acceptors_.back().get();
      loops_.front()->post([acceptor] { acceptor->start(); });
    }
    for (size_t i = 0; i < loops_.size(); ++i) {
      IoLoop* loop = loops_[i].get();
      running_.push_back(threads_.start("io-" + std::to_string(i), [loop] { loop->run(); }));
    }
  }

  void drain(base::Duration grace) override {
    if (running_.empty()) return;
    std::latch stopped(1);
    loops_.front()->post([&] {
      for (auto& acceptor : acceptors_) acceptor->stop();
      stopped.count_down();
    });
    stopped.wait();
    // Comes after the last adoption that the acceptors have posted.
    each([](IoLoop& loop) { loop.drain_connections(); });
    if (!wait_idle(grace)) {
      each([](IoLoop& loop) { loop.end_calls({14, "etcdserver: server stopped"}); });
      if (!wait_idle(kLastWords)) {
        each([](IoLoop& loop) { loop.close_connections(); });
        wait_idle(base::Duration(INT64_MAX / 2));
      }
    }
    for (auto& loop : loops_) loop->stop();
    running_.clear();
  }

 private:
  template <class F>
  void each(F f) {
    for (auto& loop : loops_) loop->post([at = loop.get(), f] { f(*at); });
  }
  bool wait_idle(base::Duration most) {
    std::unique_lock lock(core_->idle_mutex);
    const auto idle = [this] { return core_->connections.load() == 0; };
    if (most > std::chrono::hours(24)) return core_->idle.wait(lock, idle), true;
    return core_->idle.wait_for(lock, most, idle);
  }

  std::unique_ptr<Core> core_;
  base::Threads& threads_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::vector<uint16_t> ports_;
  std::vector<std::unique_ptr<IoLoop>> loops_;
  std::vector<std::unique_ptr<Acceptor>> acceptors_;
  std::vector<std::unique_ptr<base::Thread>> running_;
  size_t next_loop_ = 0;
};

}  // namespace

std::unique_ptr<Server> Server::make(ServerOptions options, ServerParts parts) {
  base::Threads& threads = parts.threads;
  return std::make_unique<RealServer>(std::make_unique<Core>(std::move(options), std::move(parts)),
                                      threads);
}

}  // namespace keelson::transport
