// Command lines of kine, as k3s and Kamaji write them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "shim/config/flag_table.h"
#include "tests/shim/config/run.h"

namespace keelson::config {
namespace {

Outcome with(std::vector<std::string> arguments) {
  return run({std::move(arguments), {}, ""});
}

TEST(Kine, ACommandLineOfKamaji) {
  Outcome outcome = with({"--endpoint=postgres://k:pw@pg:5432/Tenant_1", "--ca-file=/certs/ca.crt",
                          "--cert-file=/certs/server.crt", "--key-file=/certs/server.key",
                          "--listen-address=0.0.0.0:2399", "--server-cert-file=/s.crt",
                          "--server-key-file=/s.key", "--trusted-ca-file=/t.crt",
                          "--metrics-bind-address=:9090", "--datastore-max-open-connections=20",
                          "--datastore-max-idle-connections=3", "--log-format=plain", "--debug",
                          "--compact-interval=5m", "--watch-progress-notify-interval=5s"});
  ASSERT_EQ(outcome.exit_code, -1) << error_of(outcome);
  const Config& config = outcome.config;
  EXPECT_EQ(config.backend, "postgres");
  EXPECT_EQ(config.sql.url,
            "postgres://k:pw@pg:5432/tenant_1?sslrootcert=/certs/ca.crt&sslcert=/certs/server.crt"
            "&sslkey=/certs/server.key&sslmode=verify-full");
  EXPECT_EQ(config.sql.max_connections, 20);
  EXPECT_EQ(texts_of(config.listen_client), std::vector<std::string>{"https://0.0.0.0:2399"});
  EXPECT_EQ(texts_of(config.advertise_client), std::vector<std::string>{"https://127.0.0.1:2399"});
  EXPECT_EQ(texts_of(config.listen_metrics), std::vector<std::string>{"https://0.0.0.0:9090"});
  EXPECT_EQ(config.tls.cert_file, "/s.crt");
  EXPECT_EQ(config.tls.key_file, "/s.key");
  EXPECT_EQ(config.tls.trusted_ca_file, "/t.crt");
  EXPECT_TRUE(config.log.console);
  EXPECT_EQ(config.log.level, base::LogLevel::kDebug);
  EXPECT_EQ(config.watch_progress_interval, std::chrono::seconds(5));
  EXPECT_TRUE(has_note(outcome, "flag is accepted but has no effect", "compact-interval"));
}

TEST(Kine, Endpoints) {
  const std::pair<const char*, std::pair<const char*, const char*>> cases[] = {
      {"postgres://h/d", {"postgres", "postgres://h/d"}},
      {"postgresql://h/D?sslmode=require", {"postgres", "postgresql://h/d?sslmode=require"}},
      {"postgres://u:p@h:1", {"postgres", "postgres://u:p@h:1/kubernetes"}},
      {"postgres://u:p@h:1/?a=b", {"postgres", "postgres://u:p@h:1/kubernetes?a=b"}},
      {"postgres://u:p@h?a=b/c", {"postgres", "postgres://u:p@h/kubernetes?a=b/c"}},
      {"postgres://", {"postgres", "postgres:///kubernetes"}},
      {"", {"sqlite", "default.etcd/keelson.sqlite"}},
      {"sqlite", {"sqlite", "default.etcd/keelson.sqlite"}},
      {"sqlite://", {"sqlite", "default.etcd/keelson.sqlite"}},
      {"sqlite:///var/s.db", {"sqlite", "/var/s.db"}},
      {"sqlite://./db/s.db?_journal=WAL&cache=shared", {"sqlite", "./db/s.db"}},
      {"sqlite://file:/s.db", {"sqlite", "/s.db"}},
      {"memory://", {"memory", ""}},
  };
  for (const auto& [endpoint, wanted] : cases) {
    Outcome outcome = with({std::string("--endpoint=") + endpoint});
    ASSERT_EQ(outcome.exit_code, -1) << endpoint << error_of(outcome);
    EXPECT_EQ(outcome.config.backend, wanted.first) << endpoint;
    EXPECT_EQ(outcome.config.sql.url, wanted.second) << endpoint;
    EXPECT_EQ(texts_of(outcome.config.listen_client),
              std::vector<std::string>{"http://0.0.0.0:2379"});
    EXPECT_TRUE(outcome.config.listen_metrics.empty());
  }
  EXPECT_TRUE(has_note(with({"--endpoint=sqlite://a?b=c"}),
                       "parameters of the endpoint have no effect", "b=c"));
}

TEST(Kine, OtherStoresAreRefusedByName) {
  const std::pair<const char*, const char*> cases[] = {{"mysql", "MySQL"},
                                                       {"nats", "NATS"},
                                                       {"jetstream", "NATS"},
                                                       {"dqlite", "dqlite"},
                                                       {"t4", "t4"},
                                                       {"litestream", "Litestream"},
                                                       {"http", "another etcd"},
                                                       {"https", "another etcd"},
                                                       {"unix", "another etcd"},
                                                       {"unixs", "another etcd"}};
  for (const auto& [scheme, name] : cases) {
    EXPECT_EQ(error_of(with({"--endpoint=" + std::string(scheme) + "://x"})),
              "--endpoint=" + std::string(scheme) +
                  "://... is refused: Keelson does not store in " + name +
                  "; it stores in postgres:// and sqlite://");
  }
  for (const char* bad : {"x", "db.example.com:5432", "foo://x", "/var/s.db"}) {
    EXPECT_EQ(error_of(with({std::string("--endpoint=") + bad})),
              "--endpoint is refused: it must be postgres://user:password@host:port/database, "
              "sqlite or sqlite://path");
  }
}

TEST(Kine, ListenAddresses) {
  auto urls = [](const std::string& address, std::vector<std::string> more = {}) {
    more.insert(more.end(), {"--endpoint=sqlite", "--listen-address=" + address});
    Outcome outcome = with(more);
    EXPECT_EQ(outcome.exit_code, -1) << error_of(outcome);
    return texts_of(outcome.config.listen_client)[0] + " " +
           texts_of(outcome.config.advertise_client)[0];
  };
  EXPECT_EQ(urls("127.0.0.1:1"), "http://127.0.0.1:1 http://127.0.0.1:1");
  EXPECT_EQ(urls(":1"), "http://0.0.0.0:1 http://127.0.0.1:1");
  EXPECT_EQ(urls("[::]:1"), "http://[::]:1 http://127.0.0.1:1");
  EXPECT_EQ(urls("tcp://127.0.0.1:1"), "http://127.0.0.1:1 http://127.0.0.1:1");
  EXPECT_EQ(urls("unix://kine.sock"), "unix://kine.sock unix://kine.sock");
  EXPECT_EQ(urls("unix:///run/k", {"--server-cert-file=c", "--server-key-file=k"}),
            "unixs:///run/k unixs:///run/k");
  EXPECT_EQ(error_of(with({"--endpoint=sqlite", "--listen-address=x"})),
            "--listen-address: URL address does not have the form \"host:port\": http://x");
  Outcome outcome = with({"--endpoint=sqlite", "--metrics-bind-address=0"});
  EXPECT_TRUE(outcome.config.listen_metrics.empty());
  outcome = with({"--endpoint=sqlite", "--metrics-bind-address=:1", "--server-cert-file=c",
                  "--server-key-file=k", "--metrics-ignore-tls-config"});
  EXPECT_EQ(texts_of(outcome.config.listen_metrics), std::vector<std::string>{"http://0.0.0.0:1"});
  EXPECT_EQ(
      error_of(with({"--endpoint=sqlite", "--metrics-bind-address=8080"})),
      "--metrics-bind-address: URL address does not have the form \"host:port\": http://8080");
}

TEST(Kine, Conflicts) {
  const std::pair<std::vector<std::string>, const char*> cases[] = {
      {{"--endpoint=sqlite", "--backend=sqlite"},
       "--endpoint and --backend say the same, in kine's words and in Keelson's: give one"},
      {{"--endpoint=sqlite", "--backend-url=sqlite:///x"},
       "--endpoint and --backend-url say the same, in kine's words and in Keelson's: give one"},
      {{"--endpoint=sqlite", "--listen-address=:1", "--listen-client-urls=http://127.0.0.1:1"},
       "--listen-address and --listen-client-urls say the same, in kine's words and in Keelson's: "
       "give one"},
      {{"--endpoint=sqlite", "--cert-file=c"},
       "--cert-file beside --endpoint is for the connection to a PostgreSQL; the files for clients "
       "are --server-cert-file and --server-key-file"},
      {{"--endpoint=postgres://h", "--cert-file=c", "--backend-cert-file=d"},
       "--cert-file and --backend-cert-file say the same, in kine's words and in Keelson's: give "
       "one"},
      {{"--endpoint=sqlite", "--server-cert-file=c"},
       "--server-cert-file and --server-key-file need each other"},
      {{"--endpoint=postgres://h", "--datastore-max-open-connections=3"},
       "--datastore-max-open-connections=3 is too few: Keelson needs 4"},
      {{"--endpoint=postgres://h", "--skip-verify"},
       "--skip-verify is refused: Keelson does not have a switch against verification: sslmode in "
       "the URL says what is verified"},
  };
  for (const auto& [arguments, error] : cases) EXPECT_EQ(error_of(with(arguments)), error);
}

TEST(Kine, ItsFlagsNeedAnEndpoint) {
  size_t seen = 0;
  for (const FlagSpec& spec : flag_table()) {
    if (spec.group != FlagGroup::kKine || spec.name == "endpoint") continue;
    ++seen;
    std::string name = "--" + std::string(spec.name);
    EXPECT_EQ(error_of(with({name + "=" + std::string(spec.fallback)})),
              name + " is a flag of kine and needs --endpoint");
  }
  EXPECT_EQ(seen, 22u);
}

TEST(Kine, Variables) {
  Outcome outcome = run({{"--listen-address=:1"},
                         {{"KINE_ENDPOINT", "postgres://h/d"},
                          {"KINE_CA_FILE", "/ca"},
                          {"KINE_LISTEN_ADDRESS", ":2"},
                          {"KINE_LOG_FORMAT", "plain"}},
                         ""});
  ASSERT_EQ(outcome.exit_code, -1) << error_of(outcome);
  EXPECT_EQ(outcome.config.sql.url, "postgres://h/d?sslrootcert=/ca&sslmode=verify-full");
  EXPECT_EQ(texts_of(outcome.config.listen_client), std::vector<std::string>{"http://0.0.0.0:1"});
  EXPECT_TRUE(outcome.config.log.console);
  // Without an endpoint they say nothing, and the names that old etcds read stay unknown.
  outcome = run({{}, {{"KINE_CERT_FILE", "/c"}, {"ETCD_DEBUG", "true"}}, ""});
  EXPECT_EQ(outcome.exit_code, -1);
  EXPECT_EQ(outcome.config.tls.cert_file, "");
  EXPECT_TRUE(has_note(outcome, "unrecognized environment variable", "ETCD_DEBUG=true"));
  EXPECT_EQ(error_of(run({{}, {{"KINE_ENDPOINT", "sqlite"}, {"KINE_DEBUG", "x"}}, ""})),
            "invalid value of KINE_DEBUG: parse error");
}

}  // namespace
}  // namespace keelson::config
