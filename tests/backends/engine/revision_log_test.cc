// The revision log's order, blanking and merging.
#include "backends/engine/revision_log.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/support/seed.h"

namespace keelson::engine {
namespace {

using model::Record;

Record* version(Revision main, uint32_t sub) {
  Record* record = Record::make({"k", "v", main, main, 1, 0});
  record->set_sub(sub);
  return record;
}

std::vector<std::pair<Revision, uint32_t>> places(const LogView& view) {
  std::vector<std::pair<Revision, uint32_t>> out;
  for (size_t s = 0; s < view.count; ++s) {
    for (size_t i = 0; i < view.entries(s); ++i) {
      if (view[s].entries[i].record.load() == nullptr) continue;
      out.emplace_back(view[s].main(i), view[s].entries[i].sub);
    }
  }
  return out;
}

TEST(RevisionLog, FindsTheFirstEntryOfARevisionAcrossSegmentsAndJumps) {
  Epochs epochs;
  RevisionLog log(epochs);
  // Revision 5 spans three segments; then a restore jumps by more than 32 bits.
  for (uint32_t sub = 0; sub < 3000; ++sub) log.append(version(5, sub));
  log.append(version(7, 0));
  log.append(version(7 + (Revision{1} << 40), 0));
  log.append(version(8 + (Revision{1} << 40), 0));
  LogView view = log.view();
  EXPECT_EQ(check_revision_log(view), "");
  auto main_at = [&](LogPosition at) { return view[at.segment].main(at.entry); };
  EXPECT_EQ(main_at(view.lower(0)), 5);
  EXPECT_EQ(view.lower(5).segment, 0u);
  EXPECT_EQ(view.lower(5).entry, 0u);
  EXPECT_EQ(view[view.lower(5, 2999).segment].entries[view.lower(5, 2999).entry].sub, 2999u);
  EXPECT_EQ(main_at(view.lower(6)), 7);
  EXPECT_EQ(main_at(view.lower(8)), 7 + (Revision{1} << 40));
  EXPECT_TRUE(view.at_end(view.lower(9 + (Revision{1} << 40))));
  EXPECT_TRUE(LogView().at_end(LogView().lower(1)));
  EXPECT_EQ(log.last_main(), 8 + (Revision{1} << 40));
}

TEST(RevisionLog, MergingKeepsEveryEntryInOrder) {
  std::mt19937_64 random(tests::run_seed());
  Epochs epochs;
  RevisionLog log(epochs);
  std::vector<Record*> records;
  Revision main = 2;
  for (int i = 0; i < 20000; ++i) {
    main += i % 7000 == 6999 ? Revision{1} << 33 : 1;
    records.push_back(version(main, 0));
    log.append(records.back());
  }
  std::vector<std::pair<Revision, uint32_t>> kept;
  for (size_t i = 0; i < records.size(); ++i) {
    Record* record = records[i];
    LogPosition at;
    ASSERT_NE(log.find(record->mod(), 0, record, &at), nullptr);
    // Dense, sparse and empty stretches.
    uint64_t odds = i / 2000 % 3;
    if (odds == 0 || random() % 10 < odds * 3) {
      kept.emplace_back(record->mod(), 0);
      continue;
    }
    log.blank(at);
    record->unref();
  }
  size_t before = log.bytes();
  std::unique_ptr<Epochs::Pin> pin(new Epochs::Pin(epochs.pin()));
  LogView old = log.view();
  for (size_t from = 0, calls = 0; from < log.view().count; ++calls) {
    from = log.merge(from, 2 + random() % 3);
    ASSERT_EQ(check_revision_log(log.view()), "");
    ASSERT_LT(calls, 1000u);
  }
  epochs.seal();
  epochs.reclaim(10000);
  EXPECT_EQ(places(log.view()), kept);
  EXPECT_EQ(places(old), kept);  // a pinned reader's view stays whole
  EXPECT_EQ(log.size(), kept.size());
  EXPECT_LT(log.bytes(), before);
  pin.reset();
}

}  // namespace
}  // namespace keelson::engine
