#include "api/base/metrics.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "api/base/check.h"

namespace keelson::base {

namespace {

// The number as Go's strconv.FormatFloat(v, 'g', -1, 64) writes it, which is what Prometheus'
// reference client shows: the shortest digits, an exponent from 1e+06 upwards and below 1e-04.
void append_number(std::string& out, double v) {
  if (std::isnan(v)) {
    out.append("NaN");
    return;
  }
  if (std::isinf(v)) {
    out.append(v > 0 ? "+Inf" : "-Inf");
    return;
  }
  double magnitude = std::fabs(v);
  bool exponent = magnitude != 0 && (magnitude < 1e-4 || magnitude >= 1e6);
  auto format = exponent ? std::chars_format::scientific : std::chars_format::fixed;
  char buffer[32];
  char* end = std::to_chars(buffer, buffer + sizeof buffer, v, format).ptr;
  out.append(buffer, end);
}

void append_escaped(std::string& out, std::string_view text, bool quotes) {
  for (char c : text) {
    if (c == '\\') {
      out.append("\\\\");
    } else if (c == '\n') {
      out.append("\\n");
    } else if (c == '"' && quotes) {
      out.append("\\\"");
    } else {
      out.push_back(c);
    }
  }
}

// {a="x",b="y"}, with `le` as the last label of a histogram's bucket; nothing without labels.
void append_labels(std::string& out, const Labels& labels, std::string_view le = {}) {
  if (labels.empty() && le.empty()) return;
  out.push_back('{');
  bool first = true;
  auto one = [&](std::string_view name, std::string_view value) {
    if (!first) out.push_back(',');
    first = false;
    out.append(name).append("=\"");
    append_escaped(out, value, true);
    out.push_back('"');
  };
  for (const auto& [name, value] : labels) one(name, value);
  if (!le.empty()) one("le", le);
  out.push_back('}');
}

void append_sample(std::string& out, std::string_view name, std::string_view suffix,
                   const Labels& labels, double value) {
  out.append(name).append(suffix);
  append_labels(out, labels);
  out.push_back(' ');
  append_number(out, value);
  out.push_back('\n');
}

void append_histogram(std::string& out, std::string_view name, const Labels& labels,
                      const Histogram& histogram) {
  uint64_t count = 0;
  std::string le;
  for (size_t i = 0; i <= histogram.bounds().size(); ++i) {
    count += histogram.bucket(i);
    le.clear();
    append_number(le, i < histogram.bounds().size() ? histogram.bounds()[i]
                                                    : std::numeric_limits<double>::infinity());
    out.append(name).append("_bucket");
    append_labels(out, labels, le);
    out.push_back(' ');
    append_number(out, static_cast<double>(count));
    out.push_back('\n');
  }
  append_sample(out, name, "_sum", labels, histogram.sum());
  append_sample(out, name, "_count", labels, static_cast<double>(count));
}

}  // namespace

size_t thread_number() {
  static std::atomic<size_t> threads{0};
  thread_local const size_t mine = threads.fetch_add(1, std::memory_order_relaxed);
  return mine;
}

Histogram::Histogram(std::vector<double> bounds) : bounds_(std::move(bounds)) {
  KEELSON_CHECK(std::is_sorted(bounds_.begin(), bounds_.end()), "bounds ascend");
  KEELSON_CHECK(bounds_.size() <= kMaxBounds, "a histogram has few bounds");
}

Histogram::~Histogram() {
  for (std::atomic<Shard*>& slot : shards_) delete slot.load();
}

Histogram::Shard& Histogram::shard(size_t i) {
  Shard* shard = shards_[i].load(std::memory_order_acquire);
  if (shard != nullptr) [[likely]]
    return *shard;
  auto made = std::make_unique<Shard>();
  if (shards_[i].compare_exchange_strong(shard, made.get(), std::memory_order_acq_rel)) {
    return *made.release();
  }
  return *shard;  // another thread was first
}

void Histogram::observe(double value, uint64_t times) {
  // A bucket holds what is at or below its bound.
  size_t i = std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin();
  const double sum = value * static_cast<double>(times);
  const size_t mine = thread_number();
  if (mine < kShards - 1) [[likely]] {
    // Nobody else writes here, so nothing comes between the load and the store.
    Shard& own = shard(mine);
    std::atomic<uint64_t>& bucket = own.buckets[i];
    bucket.store(bucket.load(std::memory_order_relaxed) + times, std::memory_order_relaxed);
    own.sum.store(own.sum.load(std::memory_order_relaxed) + sum, std::memory_order_relaxed);
  } else {
    Shard& shared = shard(kShards - 1);
    shared.buckets[i].fetch_add(times, std::memory_order_relaxed);
    shared.sum.fetch_add(sum, std::memory_order_relaxed);
  }
}

uint64_t Histogram::bucket(size_t i) const {
  uint64_t total = 0;
  for (const std::atomic<Shard*>& slot : shards_) {
    const Shard* shard = slot.load(std::memory_order_acquire);
    if (shard != nullptr) total += shard->buckets[i].load(std::memory_order_relaxed);
  }
  return total;
}

double Histogram::sum() const {
  double total = 0;
  for (const std::atomic<Shard*>& slot : shards_) {
    const Shard* shard = slot.load(std::memory_order_acquire);
    if (shard != nullptr) total += shard->sum.load(std::memory_order_relaxed);
  }
  return total;
}

std::vector<double> Histogram::exponential(double start, double factor, int count) {
  std::vector<double> bounds;
  for (; count > 0; --count, start *= factor) bounds.push_back(start);
  return bounds;
}

Registry::Family& Registry::family(std::string_view name, std::string_view help, Type type) {
  auto family = std::find_if(families_.begin(), families_.end(),
                             [&](const Family& f) { return f.name == name; });
  if (family == families_.end()) {
    families_.push_back(Family{std::string(name), std::string(help), type, {}, {}});
    family = std::prev(families_.end());
  }
  KEELSON_CHECK(family->type == type && family->help == help, "one type and help per family");
  return *family;
}

Registry::Series& Registry::add(std::string_view name, std::string_view help, Type type,
                                Labels labels) {
  Family& in = family(name, help, type);
  KEELSON_CHECK(!in.read_all, "one way to read a family");
  std::sort(labels.begin(), labels.end());
  for (Series& series : in.series) {
    if (series.labels == labels) return series;
  }
  in.series.emplace_back();
  in.series.back().labels = std::move(labels);
  return in.series.back();
}

Counter& Registry::counter(std::string_view name, std::string_view help, Labels labels) {
  Series& series = add(name, help, Type::kCounter, std::move(labels));
  KEELSON_CHECK(!series.read, "one way to read a series");
  if (!series.counter) series.counter = &counters_.emplace_back();
  return *series.counter;
}

Gauge& Registry::gauge(std::string_view name, std::string_view help, Labels labels) {
  Series& series = add(name, help, Type::kGauge, std::move(labels));
  KEELSON_CHECK(!series.read, "one way to read a series");
  if (!series.gauge) series.gauge = &gauges_.emplace_back();
  return *series.gauge;
}

Histogram& Registry::histogram(std::string_view name, std::string_view help,
                               std::vector<double> bounds, Labels labels) {
  Series& series = add(name, help, Type::kHistogram, std::move(labels));
  if (!series.histogram) series.histogram = &histograms_.emplace_back(std::move(bounds));
  return *series.histogram;
}

void Registry::computed(std::string_view name, std::string_view help, bool as_counter,
                        std::function<double()> read, Labels labels) {
  Series& series = add(name, help, as_counter ? Type::kCounter : Type::kGauge, std::move(labels));
  KEELSON_CHECK(!series.read && !series.counter && !series.gauge, "one way to read a series");
  series.read = std::move(read);
}

void Registry::computed_family(std::string_view name, std::string_view help,
                               std::function<std::vector<Sample>()> read) {
  Family& in = family(name, help, Type::kGauge);
  KEELSON_CHECK(in.series.empty() && !in.read_all, "one way to read a family");
  in.read_all = std::move(read);
}

void Registry::show(const Family& family, const Series& series, std::string& out) {
  if (series.histogram) {
    append_histogram(out, family.name, series.labels, *series.histogram);
    return;
  }
  double value = series.read      ? series.read()
                 : series.counter ? static_cast<double>(series.counter->value())
                                  : static_cast<double>(series.gauge->value());
  append_sample(out, family.name, "", series.labels, value);
}

void Registry::show(const Family& family, std::string& out) {
  std::vector<Sample> samples;
  if (family.read_all) samples = family.read_all();
  if (samples.empty() && family.series.empty()) return;
  static constexpr std::string_view kTypes[] = {"counter", "gauge", "histogram"};
  out.append("# HELP ").append(family.name).push_back(' ');
  append_escaped(out, family.help, false);
  out.append("\n# TYPE ").append(family.name).push_back(' ');
  out.append(kTypes[static_cast<int>(family.type)]).push_back('\n');
  std::vector<const Series*> rows;
  for (const Series& series : family.series) rows.push_back(&series);
  std::sort(rows.begin(), rows.end(),
            [](const Series* a, const Series* b) { return a->labels < b->labels; });
  for (const Series* series : rows) show(family, *series, out);
  for (const Sample& sample : samples) {
    append_sample(out, family.name, "", sample.labels, sample.value);
  }
}

std::string Registry::text() const {
  std::vector<const Family*> sorted;
  for (const Family& family : families_) sorted.push_back(&family);
  std::sort(sorted.begin(), sorted.end(),
            [](const Family* a, const Family* b) { return a->name < b->name; });
  std::string out;
  for (const Family* family : sorted) show(*family, out);
  return out;
}

}  // namespace keelson::base
