#include "shim/http/health.h"

#include <algorithm>
#include <atomic>
#include <utility>

namespace keelson::http {

namespace {
transport::HttpResponse text(int status, std::string body) {
  return {status,
          {{"content-type", "text/plain; charset=utf-8"}, {"x-content-type-options", "nosniff"}},
          std::move(body)};
}

bool has_alarm(model::Store& store, model::AlarmType type) {
  for (const model::AlarmMember& alarm : store.status().alarms) {
    if (alarm.type == type) return true;
  }
  return false;
}

std::string_view alarm_name(model::AlarmType type) {
  switch (type) {
    case model::AlarmType::kNoSpace:
      return "NOSPACE";
    case model::AlarmType::kCorrupt:
      return "CORRUPT";
    case model::AlarmType::kNone:
      break;
  }
  return "UNKNOWN";
}

// The first alarm that is not excluded, as /health words it; "" for none.
std::string alarm_reason(model::Store& store, const std::vector<std::string>& excluded) {
  for (const model::AlarmMember& alarm : store.status().alarms) {
    std::string name(alarm_name(alarm.type));
    if (std::find(excluded.begin(), excluded.end(), name) == excluded.end()) return "ALARM " + name;
  }
  return "";
}
}  // namespace

Health::Health(model::Store& store, base::Logger& logger, base::Registry& metrics)
    : store_(store),
      logger_(logger),
      successes_(metrics.counter("etcd_server_health_success", "Successful /health answers.")),
      failures_(metrics.counter("etcd_server_health_failures", "Failed /health answers.")) {
  Named serializable{"serializable_read", [](auto done) { done(""); }};
  Named linearizable{"linearizable_read", [this](auto done) {
                       store_.read_barrier([done](model::Error error) {
                         done(std::string(model::text_of(error)));
                       });
                     }};
  Named corruption{"data_corruption", [this](auto done) {
                     bool corrupt = has_alarm(store_, model::AlarmType::kCorrupt);
                     done(corrupt ? "alarm activated: CORRUPT" : "");
                   }};
  Named learner{"non_learner", [](auto done) { done(""); }};
  live_ = {serializable};
  ready_ = {corruption, serializable, linearizable, learner};
  auto register_checks = [&](const std::string& type, const std::vector<Named>& checks) {
    for (const Named& named : checks) {
      base::Labels gauge{{"name", named.name}, {"type", type}};
      auto counter = [&](const char* status) {
        base::Labels labels{{"name", named.name}, {"status", status}, {"type", type}};
        return &metrics.counter("etcd_server_healthchecks_total", "Health checks by outcome.",
                                labels);
      };
      outcomes_[type + "/" + named.name] = {
          &metrics.gauge("etcd_server_healthcheck", "The last outcome of a health check.", gauge),
          counter("success"), counter("error")};
    }
  };
  register_checks("livez", live_);
  register_checks("readyz", ready_);
}

void Health::answer_health(std::string reason, const Respond& respond) {
  if (reason.empty()) {
    successes_.add();
    respond(
        {200, {{"content-type", "text/plain; charset=utf-8"}}, R"({"health":"true","reason":""})"});
    return;
  }
  failures_.add();
  KEELSON_LOG(logger_, kWarn, "serving /health false", {"reason", reason});
  respond(text(503, R"({"health":"false","reason":")" + reason + "\"}\n"));
}

void Health::health(const Query& query, Respond respond) {
  std::string reason = alarm_reason(store_, query.all("exclude"));
  bool serializable = query.first("serializable") == "true";
  if (reason.empty() && !serializable && store_.status().leader == MemberId()) {
    reason = "RAFT NO LEADER";
  }
  if (!reason.empty() || serializable) {
    answer_health(std::move(reason), respond);
    return;
  }
  store_.read_barrier([this, respond = std::move(respond)](model::Error error) {
    bool ok = error == model::Error::kNone;
    answer_health(ok ? "" : "RANGE ERROR:" + std::string(model::text_of(error)), respond);
  });
}

// One request's checks, some of which answer later.
struct Health::Run {
  std::string type;
  std::vector<std::string> names, failures;
  std::atomic<size_t> waiting{0};
  bool verbose = false, single = false;
  Respond respond;
};

void Health::run(const std::string& type, const std::vector<Named>& checks, std::string_view only,
                 const Query& query, Respond respond) {
  auto state = std::make_shared<Run>();
  state->type = type;
  state->verbose = query.has("verbose");
  state->single = !only.empty();
  state->respond = std::move(respond);
  std::vector<const Named*> chosen;
  std::vector<std::string> excluded = query.all("exclude");
  for (const Named& named : checks) {
    bool skipped = std::find(excluded.begin(), excluded.end(), named.name) != excluded.end();
    if (state->single ? named.name == only : !skipped) chosen.push_back(&named);
  }
  if (state->single && chosen.empty()) {
    state->respond(text(404, "404 page not found\n"));
    return;
  }
  state->failures.resize(chosen.size());
  for (const Named* named : chosen) state->names.push_back(named->name);
  state->waiting = chosen.size() + 1;
  auto one_done = [this, state] {
    if (state->waiting.fetch_sub(1) == 1) finish(*state);
  };
  for (size_t i = 0; i < chosen.size(); ++i) {
    chosen[i]->check([state, i, one_done](std::string failure) {
      state->failures[i] = std::move(failure);
      one_done();
    });
  }
  one_done();
}

void Health::finish(const Run& run) {
  std::string lines;
  bool ok = true;
  for (size_t i = 0; i < run.names.size(); ++i) {
    bool passed = run.failures[i].empty();
    const Outcome& outcome = outcomes_.at(run.type + "/" + run.names[i]);
    outcome.last->set(passed);
    (passed ? outcome.success : outcome.failure)->add();
    ok &= passed;
    lines += passed ? "[+]" + run.names[i] + " ok\n"
                    : "[-]" + run.names[i] + " failed: " + run.failures[i] + "\n";
  }
  if (ok) {
    run.respond(text(200, (run.verbose ? lines : "") + "ok\n"));
    return;
  }
  KEELSON_LOG(logger_, kWarn, "Health check error", {"path", "/" + run.type}, {"reason", lines});
  run.respond(text(503, lines + "\n"));
}

void Health::livez(std::string_view check, const Query& query, Respond respond) {
  run("livez", live_, check, query, std::move(respond));
}

void Health::readyz(std::string_view check, const Query& query, Respond respond) {
  run("readyz", ready_, check, query, std::move(respond));
}

}  // namespace keelson::http
