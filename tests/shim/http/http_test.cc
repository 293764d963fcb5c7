// The plain HTTP side: paths, bodies and codes of etcd (http_endpoints of etcd 3.7.3, seen live).
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "shim/http/query.h"
#include "shim/http/router.h"
#include "tests/support/quiet_logger.h"

namespace keelson::http {
namespace {

// A store of which only status and barrier are asked.
class FakeStore : public model::Store {
 public:
  model::StoreStatus now;
  model::Error barrier = model::Error::kNone;

  FakeStore() {
    now.leader = MemberId(1);
    now.storage_version = "3.7.0";
  }
  void range(const model::RangeRequest&, base::Done<model::Reply>) override {}
  void range_stream(const model::RangeRequest&, base::Done<CursorReply>) override {}
  void read_barrier(base::Done<model::Error> done) override { std::move(done)(barrier); }
  void propose(model::Command, base::Done<model::Reply>) override {}
  void lease_keep_alive(LeaseId, base::Done<model::LeaseReply>) override {}
  void lease_time_to_live(LeaseId, bool, base::Done<model::LeaseReply>) override {}
  std::vector<LeaseId> leases() override { return {}; }
  model::HistoryChunk history(const model::HistoryRequest&) override { return {}; }
  Revision published_revision() override { return 1; }
  Revision compacted_revision() override { return -1; }
  model::StoreStatus status() override { return now; }
  void hash(base::Done<model::HashReply>) override {}
  void hash_kv(Revision, base::Done<model::HashReply>) override {}
  void defragment(base::Done<model::Error>) override {}
  void snapshot(base::Done<std::unique_ptr<model::SnapshotReader>>) override {}
};

class FakeCluster : public model::Cluster {
 public:
  std::string version = "3.7.0";
  ClusterId cluster_id() const override { return ClusterId(1); }
  MemberId local_id() const override { return MemberId(1); }
  std::vector<model::Member> members() override { return {}; }
  std::string cluster_version() override { return version; }
};

class Http : public testing::Test {
 protected:
  transport::HttpResponse ask(const std::string& method, const std::string& url,
                              transport::Metadata headers = {}, HttpOptions options = {}) {
    auto handler = make_client_handler(store_, cluster_, logger_, metrics_, std::move(options));
    return ask_of(handler, method, url, std::move(headers));
  }
  static transport::HttpResponse ask_of(const transport::HttpHandler& handler,
                                        const std::string& method, const std::string& url,
                                        transport::Metadata headers = {}) {
    transport::HttpRequest request;
    size_t mark = std::min(url.find('?'), url.size());
    request.method = method;
    request.path = url.substr(0, mark);
    request.query = url.substr(std::min(mark + 1, url.size()));
    request.headers = std::move(headers);
    transport::HttpResponse out;
    out.status = 0;
    handler(std::move(request),
            [&](transport::HttpResponse response) { out = std::move(response); });
    return out;
  }
  static std::string header(const transport::HttpResponse& response, const std::string& name) {
    for (const auto& [key, value] : response.headers) {
      if (key == name) return value;
    }
    return "";
  }

  FakeStore store_;
  FakeCluster cluster_;
  tests::QuietLogger logger_;
  base::Registry metrics_;
};

TEST_F(Http, HealthIsTrue) {
  auto answer = ask("GET", "/health");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, R"({"health":"true","reason":""})");
  EXPECT_EQ(header(answer, "access-control-allow-origin"), "*");
}

TEST_F(Http, HealthNamesAnAlarmUnlessExcluded) {
  store_.now.alarms = {{MemberId(1), model::AlarmType::kNoSpace}};
  auto answer = ask("GET", "/health");
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.body, "{\"health\":\"false\",\"reason\":\"ALARM NOSPACE\"}\n");
  EXPECT_EQ(ask("GET", "/health?exclude=CORRUPT&exclude=NOSPACE").status, 200);
}

TEST_F(Http, HealthNeedsALeaderUnlessSerializable) {
  store_.now.leader = MemberId();
  EXPECT_EQ(ask("GET", "/health").body, "{\"health\":\"false\",\"reason\":\"RAFT NO LEADER\"}\n");
  EXPECT_EQ(ask("GET", "/health?serializable=true").status, 200);
  EXPECT_EQ(ask("GET", "/health?serializable=1").status, 503);
}

TEST_F(Http, HealthShowsAFailedRead) {
  store_.barrier = model::Error::kTimeout;
  EXPECT_EQ(ask("GET", "/health").body,
            "{\"health\":\"false\",\"reason\":\"RANGE ERROR:etcdserver: request timed out\"}\n");
}

TEST_F(Http, LivezAndReadyz) {
  EXPECT_EQ(ask("GET", "/livez").body, "ok\n");
  EXPECT_EQ(ask("GET", "/livez?verbose").body, "[+]serializable_read ok\nok\n");
  EXPECT_EQ(ask("GET", "/readyz").body, "ok\n");
  EXPECT_EQ(ask("GET", "/readyz?verbose").body,
            "[+]data_corruption ok\n[+]serializable_read ok\n[+]linearizable_read ok\n"
            "[+]non_learner ok\nok\n");
  EXPECT_EQ(ask("GET", "/readyz/linearizable_read?verbose").body, "[+]linearizable_read ok\nok\n");
  EXPECT_EQ(ask("GET", "/livez/linearizable_read").status, 404);
  EXPECT_EQ(ask("GET", "/livez/").status, 404);
}

TEST_F(Http, ReadyzFailsInFull) {
  store_.barrier = model::Error::kTimeout;
  store_.now.alarms = {{MemberId(1), model::AlarmType::kCorrupt}};
  auto answer = ask("GET", "/readyz");
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.body,
            "[-]data_corruption failed: alarm activated: CORRUPT\n[+]serializable_read ok\n"
            "[-]linearizable_read failed: etcdserver: request timed out\n[+]non_learner ok\n\n");
  EXPECT_EQ(ask("GET", "/readyz?exclude=linearizable_read&exclude=data_corruption").body, "ok\n");
}

TEST_F(Http, NospaceDoesNotFailReadyz) {
  store_.now.alarms = {{MemberId(1), model::AlarmType::kNoSpace}};
  EXPECT_EQ(ask("GET", "/readyz").status, 200);
}

TEST_F(Http, VersionBeforeAndAfterTheDecision) {
  EXPECT_EQ(ask("GET", "/version").body,
            R"({"etcdserver":"3.7.3","etcdcluster":"3.7.0","storage":"3.7.0"})");
  cluster_.version = "";
  store_.now.storage_version = "";
  EXPECT_EQ(ask("GET", "/version").body,
            R"({"etcdserver":"3.7.3","etcdcluster":"not_decided","storage":"unknown"})");
}

TEST_F(Http, WrongMethodsAndPaths) {
  auto answer = ask("POST", "/health");
  EXPECT_EQ(answer.status, 405);
  EXPECT_EQ(answer.body, "Method Not Allowed\n");
  EXPECT_EQ(header(answer, "allow"), "GET");
  EXPECT_EQ(ask("GET", "/").body, "404 page not found\n");
  EXPECT_EQ(ask("GET", "/v2/keys").status, 404);
  EXPECT_EQ(ask("POST", "/v3/kv/range").status, 404);
  EXPECT_EQ(ask("POST", "/metrics").status, 200);
  EXPECT_EQ(ask("OPTIONS", "/anything").status, 200);
}

TEST_F(Http, DebugVarsAreLaidOutAsExpvarDoes) {
  HttpOptions options;
  options.vars = [] {
    return Vars{{"memstats", "{\"Sys\":1}"}, {"cmdline", json_list({"k", "a \"b\"\n", "\xff"})}};
  };
  store_.now.term = Term(2);
  store_.now.committed = Index(30);
  store_.now.applied = Index(29);
  auto answer = ask("GET", "/debug/vars", {}, options);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(header(answer, "content-type"), "application/json; charset=utf-8");
  EXPECT_EQ(answer.body,
            "{\n\"cmdline\": [\"k\",\"a \\\"b\\\"\\n\",\"\xef\xbf\xbd\"],\n"
            "\"memstats\": {\"Sys\":1},\n"
            "\"raft.status\": {\"id\":\"1\",\"term\":2,\"commit\":30,\"lead\":\"1\","
            "\"raftState\":\"StateLeader\",\"applied\":29}\n}\n");
  EXPECT_EQ(ask("POST", "/debug/vars").status, 405);
  EXPECT_EQ(header(ask("HEAD", "/debug/vars"), "allow"), "GET");
  store_.now.leader = MemberId(2);
  EXPECT_NE(ask("GET", "/debug/vars").body.find("StateFollower"), std::string::npos);
}

// As in an etcd without --enable-pprof and with a log level above debug.
TEST_F(Http, NothingElseIsThereToDebug) {
  for (const char* path : {"/debug/pprof", "/debug/pprof/", "/debug/pprof/heap", "/debug/vars/",
                           "/debug/requests", "/debug/events", "/debug"}) {
    auto answer = ask("GET", path);
    EXPECT_EQ(answer.status, 404) << path;
    EXPECT_EQ(answer.body, "404 page not found\n");
  }
}

TEST_F(Http, MetricsPagesAreCounted) {
  std::string first = ask("GET", "/metrics").body;
  EXPECT_NE(first.find("\npromhttp_metric_handler_requests_in_flight 1\n"), std::string::npos);
  EXPECT_NE(first.find("\npromhttp_metric_handler_requests_total{code=\"200\"} 0\n"),
            std::string::npos);
  EXPECT_NE(ask("GET", "/metrics").body.find("requests_total{code=\"200\"} 1\n"),
            std::string::npos);
}

TEST_F(Http, HostWhitelist) {
  HttpOptions options;
  options.host_whitelist = {"example.com", "::1"};
  EXPECT_EQ(ask("GET", "/livez", {{"host", "example.com:2379"}}, options).status, 200);
  EXPECT_EQ(ask("GET", "/livez", {{"host", "[::1]:2379"}}, options).status, 200);
  EXPECT_EQ(ask("GET", "/livez", {{"host", "evil.com"}}, options).status, 421);
}

TEST_F(Http, CorsEchoesAnAllowedOrigin) {
  HttpOptions options;
  options.cors = {"https://a.example"};
  auto good = ask("GET", "/livez", {{"origin", "https://a.example"}}, options);
  EXPECT_EQ(header(good, "access-control-allow-origin"), "https://a.example");
  auto bad = ask("GET", "/livez", {{"origin", "https://b.example"}}, options);
  EXPECT_EQ(header(bad, "access-control-allow-origin"), "");
}

TEST_F(Http, TheMetricsListenerServesFourPaths) {
  auto handler = metrics_only(make_client_handler(store_, cluster_, logger_, metrics_, {}));
  EXPECT_EQ(ask_of(handler, "GET", "/readyz").status, 200);
  EXPECT_EQ(ask_of(handler, "GET", "/metrics").status, 200);
  EXPECT_EQ(ask_of(handler, "GET", "/version").status, 404);
  EXPECT_EQ(ask_of(handler, "GET", "/debug/vars").status, 404);
}

// The metrics listener knew the probes and not their single checks: a load balancer that asked for
// /readyz/data_corruption there was told 404. etcd serves them on both listeners.
TEST_F(Http, SingleChecksOnTheMetricsListener) {
  auto handler = metrics_only(make_client_handler(store_, cluster_, logger_, metrics_, {}));
  EXPECT_EQ(ask_of(handler, "GET", "/readyz/data_corruption").status, 200);
  EXPECT_EQ(ask_of(handler, "GET", "/livez/serializable_read").status, 200);
  EXPECT_EQ(ask_of(handler, "GET", "/livez/nonsense").status, 404);
  EXPECT_EQ(ask_of(handler, "GET", "/livez/").status, 404);
  EXPECT_EQ(ask_of(handler, "GET", "/livezzz").status, 404);
}

TEST_F(Http, ChecksAreCounted) {
  store_.barrier = model::Error::kTimeout;
  ask("GET", "/readyz");
  ask("GET", "/health");
  std::string shown = metrics_.text();
  EXPECT_NE(shown.find("etcd_server_healthcheck{name=\"linearizable_read\",type=\"readyz\"} 0"),
            std::string::npos)
      << shown;
  EXPECT_NE(shown.find("etcd_server_health_failures 1"), std::string::npos);
}

TEST(HttpQuery, DecodesAndKeepsBrokenEscapes) {
  Query query("a=1&b=%2Fx+y&b=%zz&c&&d=%4");
  EXPECT_EQ(query.first("a"), "1");
  EXPECT_EQ(query.all("b"), (std::vector<std::string>{"/x y", "%zz"}));
  EXPECT_TRUE(query.has("c"));
  EXPECT_EQ(query.first("d"), "%4");
  EXPECT_FALSE(query.has("e"));
}

}  // namespace
}  // namespace keelson::http
