// The registry's figures and its page in Prometheus' text format.
#include "api/base/metrics.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace keelson::base {
namespace {

TEST(Metrics, TextIsSortedByFamilyAndByLabels) {
  Registry registry;
  registry.gauge("zeta", "Last.").set(-3);
  registry.counter("alpha_total", "First.", {{"b", "2"}, {"a", "x"}}).add(7);
  registry.counter("alpha_total", "First.", {{"a", "w"}, {"b", "9"}}).add();
  EXPECT_EQ(registry.text(),
            "# HELP alpha_total First.\n"
            "# TYPE alpha_total counter\n"
            "alpha_total{a=\"w\",b=\"9\"} 1\n"
            "alpha_total{a=\"x\",b=\"2\"} 7\n"
            "# HELP zeta Last.\n"
            "# TYPE zeta gauge\n"
            "zeta -3\n");
}

TEST(Metrics, SameNameAndLabelsAreOneSeries) {
  Registry registry;
  Counter& one = registry.counter("c_total", "C.", {{"k", "v"}, {"a", "b"}});
  Counter& two = registry.counter("c_total", "C.", {{"a", "b"}, {"k", "v"}});
  EXPECT_EQ(&one, &two);
  EXPECT_NE(&one, &registry.counter("c_total", "C.", {{"k", "w"}, {"a", "b"}}));
}

TEST(MetricsDeathTest, FamiliesHaveOneTypeAndHelp) {
  Registry registry;
  registry.counter("c_total", "C.");
  EXPECT_DEATH(registry.gauge("c_total", "C."), "one type and help per family");
  EXPECT_DEATH(registry.counter("c_total", "D."), "one type and help per family");
}

TEST(Metrics, HistogramBucketsAreCumulativeAndIncludeTheirBound) {
  Registry registry;
  Histogram& h = registry.histogram("h_seconds", "H.", Histogram::exponential(0.001, 2, 3));
  for (double v : {0.0005, 0.001, 0.0011, 0.004, 9.0}) h.observe(v);
  EXPECT_EQ(registry.text(),
            "# HELP h_seconds H.\n"
            "# TYPE h_seconds histogram\n"
            "h_seconds_bucket{le=\"0.001\"} 2\n"
            "h_seconds_bucket{le=\"0.002\"} 3\n"
            "h_seconds_bucket{le=\"0.004\"} 4\n"
            "h_seconds_bucket{le=\"+Inf\"} 5\n"
            "h_seconds_sum 9.0066\n"
            "h_seconds_count 5\n");
}

TEST(Metrics, ManyObservationsAtOnceAndBySharedShards) {
  Registry registry;
  Histogram& h = registry.histogram("h", "H.", {1, 2});
  h.observe(1.5, 40);
  EXPECT_EQ(h.bucket(1), 40u);
  EXPECT_EQ(h.sum(), 60.0);
  // More threads than shards: the last ones share one, four at a time.
  for (int round = 0; round < 8; ++round) {
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (int n = 0; n < 1000; ++n) h.observe(3);
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  EXPECT_EQ(h.bucket(0), 0u);
  EXPECT_EQ(h.bucket(2), 32000u);
  EXPECT_EQ(h.sum(), 60.0 + 96000.0);
}

TEST(Metrics, AComputedFamilyShowsWhatThereIs) {
  Registry registry;
  std::vector<Sample> samples;
  registry.computed_family("g", "G.", [&] { return samples; });
  EXPECT_EQ(registry.text(), "");
  samples = {{{{"l", "a"}}, 1}, {{{"l", "b"}}, 0}};
  EXPECT_EQ(registry.text(), "# HELP g G.\n# TYPE g gauge\ng{l=\"a\"} 1\ng{l=\"b\"} 0\n");
}

// The forms that Go's strconv gives, taken from pages of a running etcd.
TEST(Metrics, NumbersAsThePeerWritesThem) {
  const std::pair<double, const char*> cases[] = {{0, "0"},
                                                  {1, "1"},
                                                  {-1, "-1"},
                                                  {0.5, "0.5"},
                                                  {999999, "999999"},
                                                  {1e6, "1e+06"},
                                                  {1234567, "1.234567e+06"},
                                                  {2147483648.0, "2.147483648e+09"},
                                                  {0.0001, "0.0001"},
                                                  {0.00001, "1e-05"},
                                                  {8.388608e+06, "8.388608e+06"},
                                                  {52.4288, "52.4288"},
                                                  {1.0 / 0.0, "+Inf"}};
  for (const auto& [value, text] : cases) {
    Registry registry;
    registry.computed("g", "G.", false, [v = value] { return v; });
    EXPECT_EQ(registry.text(), std::string("# HELP g G.\n# TYPE g gauge\ng ") + text + "\n");
  }
}

TEST(Metrics, TextIsEscaped) {
  Registry registry;
  registry.gauge("g", "a\\b\n\"c\"", {{"l", "a\\b\n\"c\""}});
  EXPECT_EQ(registry.text(),
            "# HELP g a\\\\b\\n\"c\"\n# TYPE g gauge\ng{l=\"a\\\\b\\n\\\"c\\\"\"} 0\n");
}

TEST(Metrics, MovesFromManyThreadsAreNotLost) {
  Registry registry;
  Counter& counter = registry.counter("c_total", "C.");
  Histogram& histogram = registry.histogram("h", "H.", {1});
  auto body = [&] {
    for (int i = 0; i < 10000; ++i) {
      counter.add();
      histogram.observe(i % 2 * 2);
    }
  };
  std::thread other(body);
  body();
  other.join();
  EXPECT_EQ(counter.value(), 20000u);
  EXPECT_EQ(histogram.bucket(0), 10000u);
  EXPECT_EQ(histogram.bucket(1), 10000u);
  EXPECT_EQ(histogram.sum(), 20000.0);
}

}  // namespace
}  // namespace keelson::base
