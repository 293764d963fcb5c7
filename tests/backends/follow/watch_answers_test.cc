// Answers of a watch, whole, in fragments, and wrong.
#include "backends/follow/watch_answers.h"

#include <gtest/gtest.h>

#include <vector>

#include "api/base/wire.h"

namespace keelson::follow {
namespace {

namespace wire = base::wire;
using Verdict = WatchAnswers::Verdict;

struct Event {
  Revision revision;
  std::string key;
  bool removed = false;
};

std::string answer(const std::vector<Event>& events, bool fragment = false) {
  std::string out;
  wire::append_bool(out, 7, fragment);
  for (const Event& event : events) {
    std::string pair, whole;
    wire::append_bytes(pair, 1, event.key);
    wire::append_int(pair, 3, event.revision);
    if (!event.removed) wire::append_bytes(pair, 5, "v");
    wire::append_int(pair, 6, event.removed ? 0 : 7);
    wire::append_bool(whole, 1, event.removed);
    wire::append_message(whole, 2, pair);
    wire::append_message(out, 11, whole);
  }
  return out;
}

struct Taken {
  std::vector<std::string> all;
  size_t most = SIZE_MAX;
  WatchAnswers::Sink sink() {
    return [this](Transaction t) {
      std::string text = std::to_string(t.revision) + ":";
      for (const Change& c : t.changes) text += (c.removed ? " -" : " ") + c.key;
      all.push_back(text);
      return all.size() < most;
    };
  }
};

TEST(WatchAnswers, CutsAtRevisionsAcrossFragments) {
  WatchAnswers answers;
  Taken taken;
  EXPECT_EQ(answers.take(answer({{5, "a"}, {5, "b"}, {6, "a", true}}, true), taken.sink()),
            Verdict::kMore);
  EXPECT_EQ(taken.all, (std::vector<std::string>{"5: a b"})) << "6 may go on";
  EXPECT_EQ(answers.take(answer({{6, "c"}, {7, "d"}}, true), taken.sink()), Verdict::kMore);
  EXPECT_EQ(answers.take(answer({{7, "e"}}), taken.sink()), Verdict::kMore);
  EXPECT_EQ(answers.take(answer({{8, "f"}}), taken.sink()), Verdict::kMore);
  EXPECT_EQ(taken.all, (std::vector<std::string>{"5: a b", "6: -a c", "7: d e", "8: f"}));
}

TEST(WatchAnswers, ASinkThatHasEnoughIsNotGivenMore) {
  WatchAnswers answers;
  Taken taken;
  taken.most = 1;
  EXPECT_EQ(answers.take(answer({{5, "a"}, {6, "b"}, {7, "c"}}), taken.sink()), Verdict::kEnough);
  EXPECT_EQ(taken.all.size(), 1u);
}

TEST(WatchAnswers, TellsHowAWatchEnds) {
  std::string cancelled, compacted;
  wire::append_bool(cancelled, 4, true);
  wire::append_bytes(cancelled, 6, "because");
  wire::append_bool(compacted, 4, true);
  wire::append_int(compacted, 5, 100);
  Taken taken;
  WatchAnswers answers;
  EXPECT_EQ(answers.take(cancelled, taken.sink()), Verdict::kCancelled);
  EXPECT_EQ(answers.reason(), "because");
  EXPECT_EQ(answers.take(compacted, taken.sink()), Verdict::kCompacted);
  EXPECT_TRUE(taken.all.empty());
}

TEST(WatchAnswers, RefusesWhatIsNoHistory) {
  Taken taken;
  EXPECT_EQ(WatchAnswers().take(answer({{5, "a"}, {4, "b"}}), taken.sink()), Verdict::kMalformed);
  EXPECT_EQ(WatchAnswers().take(answer({{0, "a"}}), taken.sink()), Verdict::kMalformed);
  EXPECT_EQ(WatchAnswers().take("\xff\xff\xff", taken.sink()), Verdict::kMalformed);
  WatchAnswers answers;
  EXPECT_EQ(answers.take(answer({{5, "a"}}), taken.sink()), Verdict::kMore);
  EXPECT_EQ(answers.take(answer({{4, "b"}}), taken.sink()), Verdict::kMalformed);
}

}  // namespace
}  // namespace keelson::follow
