// Counters, gauges and histograms with etcd's names, shown by /metrics. One Registry per server,
// made by main and passed down; no globals. Registration happens at start-up, on one thread;
// afterwards moving a metric is lock-free and thread-safe.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace keelson::base {

using Labels = std::vector<std::pair<std::string, std::string>>;

// A number that only grows (Counter) or moves (Gauge). Relaxed atomics.
class Counter {
 public:
  void add(uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

class Gauge {
 public:
  void set(int64_t v) { value_.store(v, std::memory_order_relaxed); }
  void add(int64_t n) { value_.fetch_add(n, std::memory_order_relaxed); }
  int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> value_{0};
};

// A number of the calling thread, counted from 0 in the order in which threads first ask.
size_t thread_number();

// Cumulative buckets are computed when shown. Observations are doubles in the metric's unit. Each
// of the first threads has a shard of its own, moved without a locked instruction: an observation
// costs some nanoseconds however many threads make them. The threads after those share one.
class Histogram {
 public:
  static constexpr size_t kMaxBounds = 24;

  // REQUIRES: at most kMaxBounds bounds, ascending.
  explicit Histogram(std::vector<double> bounds);
  ~Histogram();
  Histogram(const Histogram&) = delete;
  Histogram& operator=(const Histogram&) = delete;

  // `times` observations of `value`.
  void observe(double value, uint64_t times = 1);
  const std::vector<double>& bounds() const { return bounds_; }
  uint64_t bucket(size_t i) const;
  double sum() const;
  // `count` bounds: start, start*factor, ...
  static std::vector<double> exponential(double start, double factor, int count);

 private:
  static constexpr size_t kShards = 16;
  struct alignas(64) Shard {
    std::atomic<double> sum{0};
    std::array<std::atomic<uint64_t>, kMaxBounds + 1> buckets{};  // the last in use is +Inf
  };
  Shard& shard(size_t i);

  std::vector<double> bounds_;
  std::array<std::atomic<Shard*>, kShards> shards_{};  // made when first used
};

// One value of a computed family.
struct Sample {
  Labels labels;
  double value = 0;
};

class Registry {
 public:
  // A family is made at its first mention; name, type and help must agree at each further one.
  // The returned references live as long as the Registry.
  Counter& counter(std::string_view name, std::string_view help, Labels labels = {});
  Gauge& gauge(std::string_view name, std::string_view help, Labels labels = {});
  Histogram& histogram(std::string_view name, std::string_view help, std::vector<double> bounds,
                       Labels labels = {});
  // A value read when shown; `as_counter` picks the type line. `read` must be thread-safe.
  void computed(std::string_view name, std::string_view help, bool as_counter,
                std::function<double()> read, Labels labels = {});
  // A gauge whose series come and go: all are read when shown. `read` must be thread-safe.
  void computed_family(std::string_view name, std::string_view help,
                       std::function<std::vector<Sample>()> read);

  // The Prometheus text format 0.0.4, families sorted by name; one without series is left out.
  // Thread-safe.
  std::string text() const;

 private:
  enum class Type { kCounter, kGauge, kHistogram };
  struct Series {
    Labels labels;
    Counter* counter = nullptr;
    Gauge* gauge = nullptr;
    Histogram* histogram = nullptr;
    std::function<double()> read;
  };
  struct Family {
    std::string name, help;
    Type type;
    std::deque<Series> series;
    std::function<std::vector<Sample>()> read_all;  // instead of series
  };
  Family& family(std::string_view name, std::string_view help, Type type);
  Series& add(std::string_view name, std::string_view help, Type type, Labels labels);
  static void show(const Family& family, std::string& out);
  static void show(const Family& family, const Series& series, std::string& out);

  std::deque<Family> families_;
  std::deque<Counter> counters_;
  std::deque<Gauge> gauges_;
  std::deque<Histogram> histograms_;
};

}  // namespace keelson::base
