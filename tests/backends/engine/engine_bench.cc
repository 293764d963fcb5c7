// A microbenchmark of the engine on one thread: nanoseconds per operation, one line each.
#include <time.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "tests/backends/engine/engine_support.h"

namespace keelson::engine {
namespace {

// CPU time of this thread: other load on the machine does not count.
double cpu_ns() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

void report(const char* what, size_t n, const std::function<void(size_t)>& body) {
  double start = cpu_ns();
  for (size_t i = 0; i < n; ++i) body(i);
  std::printf("%-52s %10.0f ns\n", what, (cpu_ns() - start) / static_cast<double>(n));
}

class Bench {
 public:
  Bench(size_t keys, size_t batch) : batch_(batch), value_(1024, 'v') {
    std::mt19937_64 random(7);
    for (size_t i = 0; i < keys; ++i) {
      char key[64];
      std::snprintf(key, sizeof key, "/registry/pods/default/pod-%016llx",
                    static_cast<unsigned long long>(random()));
      keys_.emplace_back(key);
    }
  }

  // kube-apiserver's create (mod 0) or update (mod of the key).
  model::TxnRequest txn(const std::string& key, Revision mod) const {
    model::TxnRequest t;
    model::Compare& c = t.compare.emplace_back();
    c.target = model::CompareTarget::kMod;
    c.key = key;
    c.number = mod;
    model::PutRequest put;
    put.key = key;
    put.value = value_;
    t.success.emplace_back(put);
    model::RangeRequest get;
    get.key = key;
    t.failure.emplace_back(get);
    return t;
  }
  void apply(model::TxnRequest t) {
    Applied answer = engine_.apply(command(std::move(t)), Index(++index_), Term(1), {});
    if (answer.body.size() < 2) std::abort();
    if (++pending_ < batch_) return;
    engine_.publish();
    pending_ = 0;
  }

  void run() {
    std::printf("%zu keys of 1 KiB, published every %zu\n", keys_.size(), batch_);
    size_t n = keys_.size();
    report("create (compare and put)", n, [&](size_t i) { apply(txn(keys_[i], 0)); });
    engine_.publish();
    std::printf("%-52s %10.0f bytes\n", "resident per key above key and value",
                static_cast<double>(engine_.resident_bytes()) / static_cast<double>(n) -
                    static_cast<double>(1024 + keys_[0].size()));
    report("get", n, [&](size_t i) { get(keys_[i * 7919 % n]); });
    report("update (compare and put)", n,
           [&](size_t i) { apply(txn(keys_[i], static_cast<Revision>(i) + 2)); });
    engine_.publish();
    report("get after update", n, [&](size_t i) { get(keys_[i * 7919 % n]); });
    Revision now = engine_.revision();
    report("page of 500", n / 500, [&](size_t i) { page(keys_[i * 7919 % n], 0, 500); });
    report("page of 500 at a revision 100 back", n / 500,
           [&](size_t i) { page(keys_[i * 7919 % n], now - 100, 500); });
    report("count of all, 100,000 updates and creates back", 100,
           [&](size_t) { page("/", std::max<Revision>(2, static_cast<Revision>(n) / 2), 0); });
    report("count of all, now", 1000, [&](size_t) { page("/", 0, 0); });
    compact(now);
  }

 private:
  void get(const std::string& key) {
    model::RangeRequest r;
    r.key = key;
    if (engine_.range(r).body.size() < 1024) std::abort();
  }
  void page(std::string_view from, Revision revision, int64_t limit) {
    model::RangeRequest r;
    r.key = from;
    r.range_end = std::string_view("\0", 1);
    r.limit = limit;
    r.revision = revision;
    r.count_only = limit == 0;
    if (engine_.range(r).error != model::Error::kNone) std::abort();
  }
  void compact(Revision revision) {
    model::CompactionRequest r;
    r.revision = revision;
    engine_.apply(command(r), Index(++index_), Term(1), {});
    engine_.publish();
    double start = cpu_ns();
    engine_.compute_compaction_hash();
    double hash = cpu_ns() - start;
    double worst = 0;
    double total = 0;
    bool more = true;
    while (more) {
      start = cpu_ns();
      more = engine_.work_slice(256);
      worst = std::max(worst, cpu_ns() - start);
      total += cpu_ns() - start;
    }
    std::printf("compaction: hash %.1f ms, removal %.1f ms in slices of 256, worst %.0f us\n",
                hash / 1e6, total / 1e6, worst / 1e3);
  }

  size_t batch_;
  std::string value_;
  std::vector<std::string> keys_;
  Engine engine_{EngineOptions{}};
  uint64_t index_ = 0;
  size_t pending_ = 0;
};

}  // namespace
}  // namespace keelson::engine

int main(int argc, char** argv) {
  size_t keys = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 100'000;
  for (size_t batch : {size_t{1}, size_t{32}}) keelson::engine::Bench(keys, batch).run();
}
