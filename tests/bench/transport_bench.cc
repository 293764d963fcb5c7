// The transport alone: a fixed answer of 1 KiB to KV/Range, nothing behind it, the server pinned to
// one core, 10 connections with 10 calls each in flight. CPU by the scheduler's nanoseconds, and
// the ratio of our server to gRPC C++ with raw byte buffers in the same run. usage: transport_bench
// [SECONDS_PER_PHASE]
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "api/base/metrics.h"
#include "shim/os/system.h"
#include "shim/transport/server.h"
#include "tests/bench/transport_load.h"
#include "tests/support/quiet_logger.h"

namespace keelson::bench {
namespace {

constexpr size_t kAnswerBytes = 1024;
constexpr int kRounds = 5;

void pin(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  sched_setaffinity(0, sizeof set, &set);
}

void report_port(int fd, int port) {
  if (::write(fd, &port, sizeof port) != sizeof port) std::abort();
}

[[noreturn]] void serve_ours(int fd) {
  static os::SystemClock clock;
  static os::SystemThreads threads;
  static tests::QuietLogger logger;
  static base::Registry metrics;
  static transport::MethodTable methods;
  transport::Method range;
  range.path = "/etcdserverpb.KV/Range";
  range.unary = [](const transport::CallPtr& call, const std::string&) {
    call->send(base::Payload(std::string(kAnswerBytes, 'v')));
    call->finish({});
  };
  methods.add(std::move(range));
  transport::ServerOptions options;
  options.io_threads = 1;
  auto server =
      transport::Server::make(options, {methods, nullptr, threads, clock, logger, metrics});
  transport::Listen listen;
  listen.host = "127.0.0.1";
  if (!server->listen(listen, {}).empty()) std::abort();
  server->start();
  report_port(fd, server->ports()[0]);
  while (true) ::pause();
}

// One call of the generic service: wait for it, read, answer and finish, start over.
class RawCall {
 public:
  RawCall(grpc::AsyncGenericService& service, grpc::ServerCompletionQueue& queue,
          const grpc::ByteBuffer& answer)
      : service_(service), queue_(queue), answer_(answer) {
    again();
  }
  void proceed() {
    switch (state_) {
      case 0:
        stream_->Read(&request_, this);
        break;
      case 1:
        stream_->WriteAndFinish(answer_, {}, grpc::Status::OK, this);
        break;
      default:
        return again();
    }
    ++state_;
  }

 private:
  void again() {
    state_ = 0;
    stream_.reset();
    context_ = std::make_unique<grpc::GenericServerContext>();
    stream_ = std::make_unique<grpc::GenericServerAsyncReaderWriter>(context_.get());
    service_.RequestCall(context_.get(), stream_.get(), &queue_, &queue_, this);
  }
  grpc::AsyncGenericService& service_;
  grpc::ServerCompletionQueue& queue_;
  const grpc::ByteBuffer& answer_;
  std::unique_ptr<grpc::GenericServerContext> context_;
  std::unique_ptr<grpc::GenericServerAsyncReaderWriter> stream_;
  grpc::ByteBuffer request_;
  int state_ = 0;
};

[[noreturn]] void serve_grpc(int fd) {
  grpc::AsyncGenericService service;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterAsyncGenericService(&service);
  auto queue = builder.AddCompletionQueue();
  auto server = builder.BuildAndStart();
  const grpc::Slice bytes(std::string(kAnswerBytes, 'v'));
  const grpc::ByteBuffer answer(&bytes, 1);
  std::vector<std::unique_ptr<RawCall>> calls;
  for (int i = 0; i < 200; ++i) calls.push_back(std::make_unique<RawCall>(service, *queue, answer));
  report_port(fd, port);
  void* tag = nullptr;
  bool ok = false;
  while (queue->Next(&tag, &ok)) static_cast<RawCall*>(tag)->proceed();
  std::exit(0);
}

// Nanoseconds on a core of all threads of a process.
uint64_t cpu_ns(pid_t pid) {
  uint64_t sum = 0;
  for (const auto& task :
       std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task")) {
    std::ifstream in(task.path() / "schedstat");
    uint64_t ns = 0;
    in >> ns;
    sum += ns;
  }
  return sum;
}

struct Figure {
  double cpu_us = 0, per_second = 0;
};

// Median over rounds of CPU per call.
Figure measure(void (*serve)(int), double seconds) {
  int pipe_fds[2];
  if (::pipe(pipe_fds) != 0) std::abort();
  const pid_t pid = ::fork();
  if (pid == 0) {
    pin(0);
    serve(pipe_fds[1]);
  }
  int port = 0;
  if (::read(pipe_fds[0], &port, sizeof port) != sizeof port) std::abort();
  std::vector<Figure> rounds;
  {
    Load load(static_cast<uint16_t>(port), 10, 10);
    load.run(0.3);
    for (int i = 0; i < kRounds; ++i) {
      const uint64_t before = cpu_ns(pid);
      const LoadResult result = load.run(seconds);
      const double used = static_cast<double>(cpu_ns(pid) - before) / 1000;
      rounds.push_back({used / static_cast<double>(result.calls),
                        static_cast<double>(result.calls) / result.seconds});
    }
  }
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
  std::sort(rounds.begin(), rounds.end(),
            [](const Figure& a, const Figure& b) { return a.cpu_us < b.cpu_us; });
  return rounds[rounds.size() / 2];
}

int run(double seconds) {
  pin(1);
  const Figure ours = measure(&serve_ours, seconds), grpc = measure(&serve_grpc, seconds);
  std::printf("%-28s %10s %12s\n", "server, one core", "CPU us", "calls/s");
  std::printf("%-28s %10.2f %12.0f\n", "gRPC C++, raw byte buffers", grpc.cpu_us, grpc.per_second);
  std::printf("%-28s %10.2f %12.0f\n", "shim/transport", ours.cpu_us, ours.per_second);
  std::printf("ratio %.3f\n", ours.cpu_us / grpc.cpu_us);
  return 0;
}

}  // namespace
}  // namespace keelson::bench

int main(int argc, char** argv) {
  return keelson::bench::run(argc > 1 ? std::atof(argv[1]) : 2.0);
}
