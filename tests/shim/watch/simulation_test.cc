// Random worlds against a model: writers, watches with every option, readers that stall, delayed
// word from the store, compactions, resets, lost leaders. The hub runs without threads, so a seed
// is the whole story. Every message is judged when it is sent.
#include <algorithm>
#include <cstdlib>
#include <set>

#include "tests/shim/watch/fixture.h"
#include "tests/support/seed.h"

namespace keelson::watch {
namespace {

// What a client knows of one of its watches. `at` is the first revision not yet judged.
struct Expected {
  WatchSpec spec;
  Revision at = 0;
  bool inside_revision = false;  // fragments: more events of revision `at` must follow
  size_t event = 0;              // inside it, the next event
  bool ended = false;            // by compaction: it stays in the stream without a voice
};

class World;

// How often the worlds came to what is worth testing.
struct Totals {
  uint64_t events = 0, history_calls = 0, compacted = 0, fragments = 0, progress = 0;
  void add(const World& world);
};

class JudgeSink : public StreamSink {
 public:
  explicit JudgeSink(World& world) : world_(world) {}
  void send(base::Payload message) override;
  size_t queued_bytes() const override { return queued_; }
  void finish(model::Error error) override {
    EXPECT_EQ(error, model::Error::kNoLeader);
    EXPECT_TRUE(needs_leader);
    finished = true;
  }
  void drain(size_t bytes) { queued_ -= std::min(bytes, queued_); }

  bool needs_leader = false, finished = false, closed = false;
  StreamId id = 0;
  std::vector<WatchSpec> asked;  // creates without an answer, in order
  std::map<int64_t, Expected> watches;
  std::multiset<int64_t> cancels;        // asked, not answered
  std::vector<Revision> progress_asked;  // with the published revision at that time
  size_t messages = 0;

 private:
  void created(const Response& response);
  void events(const Response& response, Expected& watch);
  void ended(const Response& response);
  void progress(const Response& response);
  World& world_;
  size_t queued_ = 0;
};

HubOptions tiny() {
  HubOptions options;
  options.stream_queue_bytes = 1500;
  options.crowded_queue_bytes = 300;
  options.all_queues_bytes = 6000;
  options.lag_bytes = 2500;
  options.window_bytes = 6000;
  options.inbox_bytes = 8000;
  options.message_bytes = 700;
  options.fragment_bytes = 800;
  options.copy_bytes = 150;
  options.history_revisions = 7;
  options.history_steps = 2;
  options.progress_interval = std::chrono::milliseconds(50);
  return options;
}

class World {
 public:
  explicit World(uint64_t seed) : random(seed), hub_random_(seed + 1) {
    hub = std::make_unique<Hub>(Hub::Parts{store, cluster_, clock, hub_random_, metrics_}, tiny());
  }
  ~World() { hub.reset(); }

  void step();
  void finish();

  FakeRandom random;
  FakeStore store;
  FakeClock clock;
  std::unique_ptr<Hub> hub;
  bool leader = true;
  Totals totals;

 private:
  JudgeSink* any() {
    return streams_.empty() ? nullptr : streams_[random.below(streams_.size())].get();
  }
  std::string key() {
    std::string text(1, "abcd"[random.below(4)]);
    if (random.chance(50)) text += "xyz"[random.below(3)];
    return text;
  }
  void write();
  void tell();
  void open();
  void create(JudgeSink& stream);
  void cancel(JudgeSink& stream);
  void compact();
  void reset();
  void change_leader();
  void close(JudgeSink& stream);

  FakeCluster cluster_;
  FakeRandom hub_random_;
  base::Registry metrics_;
  std::vector<std::shared_ptr<JudgeSink>> streams_;
  Revision told_ = 1, told_compacted_ = -1;
};

void Totals::add(const World& world) {
  events += world.totals.events;
  history_calls += world.store.history_calls;
  compacted += world.totals.compacted;
  fragments += world.totals.fragments;
  progress += world.totals.progress;
}

bool wanted(const WatchSpec& spec, const model::Event& event) {
  return spec.view.passes(event) &&
         model::KeyRange{spec.key, spec.end}.contains(event.record->key());
}

std::string describe(const model::Event& event, bool previous) {
  std::string text = event.type == model::EventType::kDelete ? "delete " : "put ";
  text += event.record->key();
  if (event.type == model::EventType::kPut) text += "=" + std::string(event.record->value());
  text += " @" + std::to_string(event.record->mod());
  if (previous && event.previous) text += " prev=" + std::string(event.previous->value());
  return text;
}

// The events of a revision that a watch wants.
std::vector<const model::Event*> wanted_events(const FakeStore& store, const WatchSpec& spec,
                                               Revision revision) {
  std::vector<const model::Event*> out;
  if (revision < 2) return out;
  for (const model::Event& event : store.entry(revision).events) {
    if (wanted(spec, event)) out.push_back(&event);
  }
  return out;
}

void JudgeSink::send(base::Payload message) {
  ASSERT_FALSE(finished);
  queued_ += message.size();
  ++messages;
  Response response;
  ASSERT_TRUE(response.ParseFromString(message.flatten()));
  SCOPED_TRACE(line(response));
  if (response.created()) return created(response);
  if (response.canceled()) return ended(response);
  if (response.events_size() == 0) return progress(response);
  auto it = watches.find(response.watch_id());
  ASSERT_NE(it, watches.end()) << "events of a watch that is not";
  events(response, it->second);
}

void JudgeSink::created(const Response& response) {
  ASSERT_FALSE(asked.empty());
  WatchSpec spec = asked.front();
  asked.erase(asked.begin());
  bool empty = model::KeyRange{spec.key, spec.end}.empty();
  bool duplicate = spec.id != 0 && watches.contains(spec.id);
  if (spec.start < 0 || empty || duplicate) {
    EXPECT_TRUE(response.canceled());
    EXPECT_EQ(response.watch_id(), -1);
    EXPECT_FALSE(response.cancel_reason().empty());
    return;
  }
  ASSERT_FALSE(response.canceled());
  if (spec.id != 0) {
    ASSERT_EQ(response.watch_id(), spec.id);
  }
  ASSERT_FALSE(watches.contains(response.watch_id()));
  EXPECT_EQ(response.header().revision(), world_.store.published_revision());
  Expected expected;
  expected.spec = spec;
  expected.at = spec.start != 0 ? spec.start : response.header().revision() + 1;
  watches[response.watch_id()] = expected;
}

void JudgeSink::events(const Response& response, Expected& watch) {
  ASSERT_FALSE(watch.ended);
  world_.totals.events += static_cast<uint64_t>(response.events_size());
  world_.totals.fragments += response.fragment();
  EXPECT_GE(response.header().revision(), response.events().rbegin()->kv().mod_revision());
  for (const auto& event : response.events()) {
    Revision revision = event.kv().mod_revision();
    ASSERT_LE(revision, world_.store.published_revision());
    if (!watch.inside_revision) {
      ASSERT_GE(revision, watch.at) << "went back or repeated";
      for (; watch.at < revision; ++watch.at) {
        ASSERT_TRUE(wanted_events(world_.store, watch.spec, watch.at).empty()) << "left out";
      }
      watch.inside_revision = true;
      watch.event = 0;
    }
    ASSERT_EQ(revision, watch.at);
    auto wanted_here = wanted_events(world_.store, watch.spec, revision);
    ASSERT_LT(watch.event, wanted_here.size()) << "not wanted";
    const model::Event& expected = *wanted_here[watch.event];
    bool previous = watch.spec.view.prev_kv;
    bool gone =
        previous && !event.has_prev_kv() && revision - 1 < world_.store.compacted_revision();
    EXPECT_EQ(line(event), describe(expected, previous && !gone));
    if (++watch.event == wanted_here.size()) {
      watch.inside_revision = false;
      ++watch.at;
    }
  }
  EXPECT_EQ(watch.inside_revision, response.fragment()) << "a revision was split";
  if (!watch.spec.fragment) {
    EXPECT_FALSE(response.fragment());
  }
}

void JudgeSink::ended(const Response& response) {
  auto it = watches.find(response.watch_id());
  ASSERT_NE(it, watches.end());
  if (response.compact_revision() != 0) {
    EXPECT_EQ(response.header().revision(), 0);
    EXPECT_LE(response.compact_revision(), world_.store.compacted_revision());
    EXPECT_LT(it->second.at, response.compact_revision());
    EXPECT_FALSE(it->second.ended);
    it->second.ended = true;
    ++world_.totals.compacted;
    return;
  }
  auto asked_for = cancels.find(response.watch_id());
  ASSERT_NE(asked_for, cancels.end()) << "cancelled by nobody";
  cancels.erase(asked_for);
  watches.erase(it);
}

// A progress answer promises that everything up to its revision was sent.
void JudgeSink::progress(const Response& response) {
  Revision revision = response.header().revision();
  ++world_.totals.progress;
  // A watch may have the id -1 of its own choice; then the answer may be for it alone.
  bool all = response.watch_id() == -1 && !watches.contains(-1);
  if (all) {
    ASSERT_FALSE(progress_asked.empty());
    EXPECT_GE(revision, progress_asked.back());
    progress_asked.clear();
  } else {
    ASSERT_TRUE(watches.contains(response.watch_id()));
    ASSERT_TRUE(watches[response.watch_id()].spec.progress_notify || !progress_asked.empty());
  }
  for (auto& [watch_id, watch] : watches) {
    if (!all && response.watch_id() != watch_id) continue;
    EXPECT_FALSE(watch.ended);
    EXPECT_FALSE(watch.inside_revision);
    for (; watch.at <= revision; ++watch.at) {
      ASSERT_TRUE(wanted_events(world_.store, watch.spec, watch.at).empty())
          << "progress ahead of revision " << watch.at << " of watch " << watch_id;
    }
  }
}

void World::write() {
  std::vector<Op> ops;
  std::set<std::string> used;
  size_t most = random.chance(5) ? 12 : 3;
  for (size_t n = random.below(most) + 1; n > 0; --n) {
    Op op{key(), std::string(random.below(random.chance(10) ? 400 : 40), 'v'), random.chance(25)};
    op.value += std::to_string(random.below(1000));
    if (used.insert(op.key).second) ops.push_back(std::move(op));
  }
  store.commit(ops);
}

void World::tell() {
  Revision current = store.published_revision();
  std::vector<model::RevisionEvents> batch;
  for (Revision r = told_ + 1; r <= current; ++r) batch.push_back(store.entry(r).view());
  told_ = current;
  hub->on_events(batch, current);
  if (store.compacted_revision() > told_compacted_ && random.chance(70)) {
    told_compacted_ = store.compacted_revision();
    hub->on_compacted(told_compacted_);
  }
}

void World::open() {
  if (streams_.size() >= 6) return;
  auto sink = std::make_shared<JudgeSink>(*this);
  sink->needs_leader = random.chance(20);
  sink->id = hub->open_stream(sink, {.needs_leader = sink->needs_leader});
  streams_.push_back(std::move(sink));
}

void World::create(JudgeSink& stream) {
  WatchSpec spec;
  spec.key = key();
  if (random.chance(60)) spec.end = random.chance(20) ? std::string(1, '\0') : key();
  Revision current = store.published_revision();
  switch (random.below(5)) {
    case 0:
      break;
    case 1:
      spec.start = current + static_cast<Revision>(random.below(6));
      break;
    case 2:
      spec.start = static_cast<Revision>(random.below(static_cast<uint64_t>(current) + 1));
      break;
    case 3:
      spec.start = std::max<Revision>(current - static_cast<Revision>(random.below(20)), 1);
      break;
    default:
      spec.start = random.chance(10) ? -5 : 0;
  }
  if (random.chance(20)) spec.id = static_cast<int64_t>(random.below(12)) - 1;
  spec.view = {random.chance(15), random.chance(15), random.chance(50)};
  spec.fragment = random.chance(30);
  spec.progress_notify = random.chance(30);
  stream.asked.push_back(spec);
  hub->create(stream.id, std::move(spec));
}

void World::cancel(JudgeSink& stream) {
  if (stream.watches.empty()) return;
  auto it = std::next(stream.watches.begin(),
                      static_cast<ptrdiff_t>(random.below(stream.watches.size())));
  stream.cancels.insert(it->first);
  hub->cancel(stream.id, it->first);
}

void World::compact() {
  Revision current = store.published_revision(), compacted = store.compacted_revision();
  Revision target = std::max<Revision>(current - static_cast<Revision>(random.below(30)), 1);
  if (target > compacted) store.compact(target);
}

// A checkpoint took the place of what the apply loop would have told.
void World::reset() {
  for (uint64_t n = random.below(5); n > 0; --n) write();
  told_ = store.published_revision();
  told_compacted_ = store.compacted_revision();
  hub->on_reset(told_, told_compacted_, false);
}

void World::close(JudgeSink& stream) {
  stream.closed = true;
  hub->close_stream(stream.id);
}

void World::change_leader() {
  leader = !leader;
  hub->on_leader(leader);
}

void World::step() {
  JudgeSink* stream = any();
  uint64_t what = random.below(1000);
  if (what < 350) {
    write();
  } else if (what < 550) {
    tell();
  } else if (what < 750) {
    hub->run_once();
    hub->core().check();
  } else if (what < 780 || !stream) {
    open();
  } else if (what < 860) {
    create(*stream);
  } else if (what < 880) {
    cancel(*stream);
  } else if (what < 900) {
    stream->progress_asked.push_back(store.published_revision());
    hub->progress(stream->id);
  } else if (what < 970) {
    bool long_queue = stream->queued_bytes() > 400;
    stream->drain(random.below(3000));
    if (long_queue && stream->queued_bytes() <= 400 && random.chance(70)) hub->writable(stream->id);
  } else if (what < 980) {
    clock.time = clock.time + std::chrono::milliseconds(random.below(40));
  } else if (what < 990) {
    compact();
  } else if (what < 994) {
    close(*stream);
  } else if (what < 997) {
    reset();
  } else {
    change_leader();
  }
  std::erase_if(streams_,
                [](const auto& s) { return s->closed || (s->finished && s.use_count() == 1); });
}

// Everybody reads; then nothing may be owed.
void World::finish() {
  tell();
  bool more = true;
  for (int turn = 0; more || turn < 200; ++turn) {
    ASSERT_LT(turn, 100'000) << "the hub never rests";
    for (auto& stream : streams_) stream->drain(1 << 20);
    clock.time = clock.time + std::chrono::milliseconds(1);
    more = hub->run_once();
  }
  hub->core().check();
  Revision current = store.published_revision();
  for (auto& stream : streams_) {
    if (stream->finished) continue;
    EXPECT_TRUE(stream->asked.empty()) << "a create without an answer";
    bool silent = stream->watches.empty();
    for (auto& [id, watch] : stream->watches) {
      silent = silent || watch.ended || watch.spec.start > current;
      if (watch.ended) continue;
      EXPECT_FALSE(watch.inside_revision);
      for (; watch.at <= current; ++watch.at) {
        ASSERT_TRUE(wanted_events(store, watch.spec, watch.at).empty())
            << "watch " << id << " misses revision " << watch.at;
      }
    }
    if (!silent && !stream->progress_asked.empty()) {
      size_t before = stream->messages;
      stream->progress_asked.push_back(current);
      hub->progress(stream->id);
      while (hub->run_once()) {
      }
      EXPECT_GT(stream->messages, before) << "progress without an answer";
    }
  }
}

// Fresh seeds on every run; KEELSON_SEED replays one, KEELSON_ROUNDS asks for more.
TEST(Simulation, EveryWatchSeesItsEventsOnceInOrder) {
  const char* given = std::getenv("KEELSON_SEED");
  const char* rounds = std::getenv("KEELSON_ROUNDS");
  const uint64_t first = tests::run_seed();
  uint64_t count = rounds ? std::stoull(rounds) : given ? 1 : 150;
  Totals totals;
  for (uint64_t seed = first; seed < first + count; ++seed) {
    SCOPED_TRACE("KEELSON_SEED=" + std::to_string(seed));
    World world(seed);
    for (int i = 0; i < 2500; ++i) {
      world.step();
      if (testing::Test::HasFailure()) FAIL() << "step " << i;
    }
    world.finish();
    if (testing::Test::HasFailure()) FAIL() << "at the end";
    totals.add(world);
  }
  // The worlds go where the rules are hard.
  EXPECT_GT(totals.events, count * 300);
  EXPECT_GT(totals.history_calls, count * 20);
  EXPECT_GT(totals.compacted, 0u);
  EXPECT_GT(totals.fragments, 0u);
  EXPECT_GT(totals.progress, count);
}

}  // namespace
}  // namespace keelson::watch
