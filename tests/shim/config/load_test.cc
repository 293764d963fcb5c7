// Flags, environment and file together: values, defaults, refusals, exit codes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "shim/config/config.h"
#include "tests/shim/config/run.h"

namespace keelson::config {
namespace {

using testing::HasSubstr;

TEST(Load, Defaults) {
  Outcome outcome = run({});
  ASSERT_EQ(outcome.exit_code, -1);
  const Config& config = outcome.config;
  EXPECT_EQ(config.name, "default");
  EXPECT_EQ(config.data_dir, "default.etcd");
  EXPECT_EQ(config.backend, "native");
  EXPECT_EQ(texts_of(config.listen_client), std::vector<std::string>{"http://localhost:2379"});
  EXPECT_EQ(texts_of(config.advertise_peer), std::vector<std::string>{"http://localhost:2380"});
  EXPECT_EQ(config.initial_cluster, "default=http://localhost:2380");
  EXPECT_EQ(config.limits.max_txn_ops, 128u);
  EXPECT_EQ(config.limits.max_message_bytes(), 2u << 20);
  EXPECT_EQ(config.min_lease_ttl_seconds(), 2);
  EXPECT_EQ(config.watch_progress_interval, std::chrono::minutes(10));
  EXPECT_EQ(config.keepalive_interval, std::chrono::hours(2));
  EXPECT_EQ(config.tls.min_version, "TLS1.2");
  EXPECT_EQ(config.log.outputs, std::vector<std::string>{"default"});
  EXPECT_EQ(config.cors, std::vector<std::string>{"*"});
  EXPECT_TRUE(has_note(outcome, "'data-dir' was empty; using default", "default.etcd"));
}

// A limit of 0 was taken at its word, and a server with it refused every call. In etcd 0 means
// none: its gRPC library takes it as the largest number there is.
TEST(Load, NoConcurrentStreamsMeansNoLimit) {
  Outcome outcome = run({{"--max-concurrent-streams=0"}, {}, {}});
  ASSERT_EQ(outcome.exit_code, -1);
  EXPECT_EQ(outcome.config.limits.max_concurrent_streams, UINT32_MAX);
  outcome = run({{"--max-concurrent-streams=1"}, {}, {}});
  EXPECT_EQ(outcome.config.limits.max_concurrent_streams, 1u);
}

// Flag, variable and file for one setting: what counts, and what ends the start.
TEST(Load, Precedence) {
  struct {
    bool flag, variable, file;
    int exit_code;
    std::string name;
  } const cases[] = {{false, false, false, -1, "default"},    {true, false, false, -1, "by-flag"},
                     {false, true, false, -1, "by-variable"}, {true, true, false, 1, ""},
                     {false, false, true, -1, "by-file"},     {true, false, true, -1, "by-file"},
                     {false, true, true, -1, "by-file"},      {true, true, true, -1, "by-file"}};
  for (const auto& c : cases) {
    Case input;
    input.file = "name: by-file\n";
    if (c.flag) input.arguments.push_back("--name=by-flag");
    if (c.file) input.arguments.push_back("--config-file=/config.yaml");
    if (c.variable) input.environment.push_back({"ETCD_NAME", "by-variable"});
    Outcome outcome = run(input);
    EXPECT_EQ(outcome.exit_code, c.exit_code);
    if (c.exit_code < 0) {
      EXPECT_EQ(outcome.config.name, c.name);
    }
    EXPECT_EQ(has_note(outcome, "recognized and used environment variable", "by-variable"),
              c.variable && !c.file && !c.flag);
  }
}

TEST(Load, AVariableThatAFlagShadowsIsFatalEvenWhenEqualOrEmpty) {
  for (const char* value : {"a", ""}) {
    Outcome outcome = run({{"--name=a"}, {{"ETCD_NAME", value}}, ""});
    EXPECT_EQ(outcome.exit_code, 1);
    const Note& note = outcome.notes.back();
    EXPECT_EQ(note.level, base::LogLevel::kFatal);
    EXPECT_EQ(note.message,
              "conflicting environment variable is shadowed by corresponding command-line flag "
              "(either unset environment variable or disable flag))");
    EXPECT_EQ(note.fields[0].second, "ETCD_NAME");
  }
}

TEST(Load, Variables) {
  Outcome outcome = run({{},
                         {{"ETCD_NAME", ""},
                          {"ETCD_MAX_TXN_OPS", "77"},
                          {"ETCD_BACKEND", "memory"},
                          {"ETCD_FOO", "x"},
                          {"ETCD_VERSION", "1"},
                          {"ETCD_UNSUPPORTED_ARCH", "arm"},
                          {"PATH", "/bin"}},
                         ""});
  ASSERT_EQ(outcome.exit_code, -1);
  EXPECT_EQ(outcome.config.name, "default");
  EXPECT_EQ(outcome.config.limits.max_txn_ops, 77u);
  EXPECT_EQ(outcome.config.backend, "memory");
  EXPECT_TRUE(has_note(outcome, "unrecognized environment variable", "ETCD_FOO=x"));
  EXPECT_TRUE(has_note(outcome, "cannot set special environment variable", "ETCD_VERSION"));
  EXPECT_FALSE(has_note(outcome, "unrecognized environment variable", "ETCD_UNSUPPORTED_ARCH=arm"));
  EXPECT_EQ(error_of(run({{}, {{"ETCD_MAX_TXN_OPS", "zz"}}, ""})),
            "invalid value \"zz\" for ETCD_MAX_TXN_OPS: parse error");
  EXPECT_EQ(error_of(run({{"--name=a"}, {{"ETCD_CONFIG_FILE", "/nope"}}, ""})),
            "open /nope: no such file or directory");
}

// Errors and texts of a running etcd 3.7.3.
TEST(Load, ChecksInEtcdsWords) {
  const std::pair<std::vector<std::string>, const char*> cases[] = {
      {{"pos"}, "\"pos\" is not a valid flag"},
      {{"--listen-client-urls=http://x:1", "--advertise-client-urls=http://x:1"},
       "expected IP in URL for binding (http://x:1)"},
      {{"--listen-client-urls=http://127.0.0.1:2"},
       "--advertise-client-urls is required when --listen-client-urls is set explicitly"},
      {{"--heartbeat-interval=0"}, "--heartbeat-interval must be >0 (set to 0ms)"},
      {{"--election-timeout=0"}, "--election-timeout must be >0 (set to 0ms)"},
      {{"--election-timeout=100"},
       "--election-timeout[100ms] should be at least as 5 times as --heartbeat-interval[100ms]"},
      // Overflowed when it was counted in nanoseconds, before it was refused.
      {{"--election-timeout=2251799813685249"},
       "--election-timeout[2251799813685249ms] is too long, and should be set less than 50000ms"},
      {{"--election-timeout=60000"},
       "--election-timeout[60000ms] is too long, and should be set less than 50000ms"},
      {{"--auto-compaction-mode=x"}, "unknown auto-compaction-mode \"x\""},
      {{"--log-outputs=default,stderr"}, "multi logoutput for \"default\" is not supported yet"},
      {{"--logger=foo"}, "unknown logger option \"foo\""},
      {{"--log-format=x"}, "unknown log format: x, supported values json, console"},
      {{"--tls-min-version=TLS1.1"},
       "unexpected TLS version \"TLS1.1\" (must be one of: TLS1.2, TLS1.3)"},
      {{"--tls-min-version=TLS1.3", "--tls-max-version=TLS1.2"},
       "min version (TLS1.3) is greater than max version (TLS1.2)"},
      {{"--tls-min-version=TLS1.3", "--cipher-suites=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"},
       "cipher suites cannot be configured when only TLS1.3 is enabled"},
      {{"--discovery-fallback=proxy"},
       "v2 proxy is deprecated, and --discovery-fallback can't be configured as \"proxy\""},
      {{"--compact-hash-check-time=0s"}, "--compact-hash-check-time must be >0 (set to 0s)"},
      {{"--enable-log-rotation"},
       "--log-outputs requires a single file path when --log-rotate-config-json is defined"},
      {{"--advertise-client-urls=http://:1234"},
       "--advertise-client-urls \"http://:1234\" must be in the format \"host:port\", "
       "\"unix:/path/to/socket\" or \"unixs:/path/to/socket\" (unexpected empty host "
       "(http://:1234))"},
      {{"--initial-advertise-peer-urls=http://:1"},
       "--initial-advertise-peer-urls \"http://:1\" must be \"host:port\" (unexpected empty host "
       "(http://:1))"},
  };
  for (const auto& [arguments, error] : cases) {
    EXPECT_EQ(error_of(run({arguments, {}, ""})), error);
  }
}

TEST(Load, OtherExits) {
  Outcome outcome = run({{"--log-level=bogus"}, {}, ""});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_EQ(outcome.err, "panic: unrecognized level: \"bogus\"\n");
  outcome = run({{"--version"}, {}, ""});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.out, HasSubstr("Keelson Version: "));
  EXPECT_THAT(outcome.out, HasSubstr("\netcd Version: 3.7.3\n"));
  // Variables are read before the file is looked at, and a bad command line before both.
  EXPECT_EQ(run({{"--config-file=/nope", "--bogus"}, {}, ""}).exit_code, 2);
}

TEST(Load, SettingsArrive) {
  Outcome outcome = run({{"--name=n",
                          "--listen-client-urls=http://127.0.0.1:33,https://[::1]:34",
                          "--advertise-client-urls=http://a:33",
                          "--election-timeout=3000",
                          "--heartbeat-interval=500",
                          "--grpc-keepalive-min-time=7s",
                          "--watch-progress-notify-interval=5ms",
                          "--trusted-ca-file=ca",
                          "--client-cert-auth",
                          "--cert-file=c",
                          "--key-file=k",
                          "--client-crl-file=crl",
                          "--client-cert-allowed-hostname=h1,h2",
                          "--cipher-suites=A,B",
                          "--host-whitelist=x,y",
                          "--cors=http://o:1",
                          "--log-level=DEBUG",
                          "--log-format=console",
                          "--log-outputs=b.log,a.log",
                          "--socket-reuse-port",
                          "--memory-limit-bytes=1000",
                          "--memory-start-limit-bytes=2000",
                          "--io-threads=3",
                          "--listen-client-http-urls=http://127.0.0.1:35",
                          "--backend=memory",
                          "--feature-gates=AllAlpha=true,PriorityRequest=false"},
                         {},
                         ""});
  ASSERT_EQ(outcome.exit_code, -1);
  const Config& config = outcome.config;
  EXPECT_EQ(config.listen_client.size(), 2u);
  EXPECT_EQ(config.listen_client_http.size(), 1u);
  EXPECT_EQ(config.initial_cluster, "n=http://localhost:2380");
  EXPECT_EQ(config.min_lease_ttl_seconds(), 5);  // 6 ticks, so 9 ticks of 500 ms
  EXPECT_EQ(config.keepalive_min_time, std::chrono::seconds(7));
  EXPECT_EQ(config.watch_progress_interval, std::chrono::milliseconds(100));
  EXPECT_TRUE(config.tls.client_cert_auth);
  EXPECT_EQ(config.tls.crl_file, "crl");
  EXPECT_EQ(config.tls.allowed_hostnames, (std::vector<std::string>{"h1", "h2"}));
  EXPECT_EQ(config.tls.cipher_suites, (std::vector<std::string>{"A", "B"}));
  EXPECT_EQ(config.host_whitelist, (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(config.cors, std::vector<std::string>{"http://o:1"});
  EXPECT_EQ(config.log.level, base::LogLevel::kDebug);
  EXPECT_TRUE(config.log.console);
  EXPECT_EQ(config.log.outputs, (std::vector<std::string>{"a.log", "b.log"}));
  EXPECT_TRUE(config.reuse_port);
  EXPECT_FALSE(config.reuse_address);
  EXPECT_EQ(config.memory_limit_bytes, 1000u);
  EXPECT_EQ(config.memory_start_limit_bytes, 2000u);
  EXPECT_EQ(config.io_threads, 3);
  EXPECT_EQ(config.backend, "memory");
  for (const auto& [name, on] : config.gates) {
    if (name == "PriorityRequest") {
      EXPECT_FALSE(on);
    } else if (name == "LeaseCheckpoint" || name == "FastLeaseKeepAlive") {
      EXPECT_TRUE(on) << name;
    }
  }
}

TEST(Load, LogRotation) {
  auto rotation = [](const std::string& json) {
    return run(
        {{"--enable-log-rotation", "--log-outputs=/a.log", "--log-rotation-config-json=" + json},
         {},
         ""});
  };
  Outcome outcome = rotation(R"({"maxsize": 5, "maxage": 6, "maxbackups": 7, "localtime": true})");
  ASSERT_EQ(outcome.exit_code, -1);
  EXPECT_TRUE(outcome.config.log.rotate);
  EXPECT_EQ(outcome.config.log.rotate_max_size_mb, 5u);
  EXPECT_EQ(outcome.config.log.rotate_max_age_days, 6u);
  EXPECT_EQ(outcome.config.log.rotate_max_backups, 7u);
  EXPECT_TRUE(outcome.config.log.rotate_local_time);
  for (const char* bad : {"x", "{", R"({"maxsize":-1})", R"({"what":1})", R"({"maxsize"})",
                          R"({"maxsize":"1"})", R"({"compress":true})"}) {
    EXPECT_NE(error_of(rotation(bad)), "") << bad;
  }
}

TEST(Bootstrap, TheClusterIsThisMemberAlone) {
  auto check = [](std::vector<std::string> arguments, std::vector<std::string>* urls = nullptr) {
    Outcome outcome = run({std::move(arguments), {}, ""});
    EXPECT_EQ(outcome.exit_code, -1);
    std::vector<std::string> ignored;
    return check_bootstrap(outcome.config, urls ? *urls : ignored);
  };
  std::vector<std::string> urls;
  EXPECT_EQ(check({}, &urls), "");
  EXPECT_EQ(urls, std::vector<std::string>{"http://localhost:2380"});
  EXPECT_EQ(check({"--initial-cluster=a=http://x:1"}),
            "couldn't find local name \"default\" in the initial cluster configuration");
  EXPECT_EQ(check({"--name="}),
            "couldn't find local name \"\" in the initial cluster configuration");
  EXPECT_THAT(check({"--initial-cluster=default=http://localhost:2380,b=http://y:2"}),
              HasSubstr("2 members is refused"));
  EXPECT_EQ(check({"--initial-cluster=foo"}),
            "error setting up initial cluster: URL scheme must be http, https, unix, or unixs: ");
  EXPECT_EQ(
      check({"--initial-cluster=default=http://localhost:2380,default=http://localhost:2381"}),
      "--initial-cluster has default=http://localhost:2381 but missing from "
      "--initial-advertise-peer-urls=http://localhost:2380 (len([\"http://localhost:2380\"]) "
      "!= len([\"http://localhost:2380\" \"http://localhost:2381\"]))");
  EXPECT_EQ(check({"--initial-cluster=default=http://127.0.0.1:2380"}, &urls), "");
  EXPECT_EQ(urls, std::vector<std::string>{"http://127.0.0.1:2380"});
}

TEST(Bootstrap, HttpsNeedsACertificate) {
  auto check = [](const char* flag, bool with_certificate) {
    std::vector<std::string> arguments{std::string(flag) + "=https://127.0.0.1:3333",
                                       "--advertise-client-urls=https://127.0.0.1:3333"};
    if (with_certificate) arguments.insert(arguments.end(), {"--cert-file=c", "--key-file=k"});
    return check_listeners(run({arguments, {}, ""}).config);
  };
  EXPECT_EQ(check("--listen-client-urls", false),
            "TLS key/cert (--cert-file, --key-file) must be provided for client url "
            "https://127.0.0.1:3333 with HTTPS scheme");
  for (const char* flag :
       {"--listen-client-urls", "--listen-client-http-urls", "--listen-metrics-urls"}) {
    EXPECT_NE(check(flag, false), "");
    EXPECT_EQ(check(flag, true), "");
  }
}

TEST(Yaml, Values) {
  Outcome outcome = from_file(R"(
Name: from-yaml
max-txn-ops: 1e2
grpc-keepalive-interval: 5000000000
heartbeat-interval: 50
listen-client-urls: http://127.0.0.1:33
log-outputs: [stderr]
strict-reconfig-check: no
host-whitelist: a,b
unknown-key: {x: [1, 2]}
data-dir: ~
client-transport-security:
  cert-file: "c"
  client-cert-auth: true
  allowed-cn: [x, y]
socket-options: {reuse-port: true}
feature-gates: LeaseCheckpoint=true
backend: memory
)");
  ASSERT_EQ(outcome.exit_code, -1) << error_of(outcome);
  const Config& config = outcome.config;
  EXPECT_EQ(config.name, "from-yaml");
  EXPECT_EQ(config.limits.max_txn_ops, 100u);
  EXPECT_EQ(config.keepalive_interval, std::chrono::seconds(5));
  EXPECT_EQ(config.heartbeat, std::chrono::milliseconds(50));
  EXPECT_EQ(config.log.outputs, std::vector<std::string>{"stderr"});
  EXPECT_EQ(config.host_whitelist, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(config.tls.cert_file, "c");
  EXPECT_TRUE(config.tls.client_cert_auth);
  EXPECT_EQ(config.tls.allowed_common_names, (std::vector<std::string>{"x", "y"}));
  EXPECT_TRUE(config.reuse_port);
  EXPECT_EQ(config.backend, "memory");
  EXPECT_FALSE(config.values.boolean("strict-reconfig-check"));
  EXPECT_TRUE(has_note(outcome,
                       "loaded server configuration, other configuration command line flags and "
                       "environment variables will be ignored if provided",
                       "/config.yaml"));
}

TEST(Yaml, JsonAndEmptyFiles) {
  EXPECT_EQ(from_file(R"({"name": "j", "log-outputs": ["stderr"]})").config.name, "j");
  for (const char* nothing : {"", "# only this\n", "---\n", "null"}) {
    EXPECT_EQ(from_file(nothing).exit_code, -1) << nothing;
  }
}

// Texts as a running etcd 3.7.3 gives them, but for the type path of nested fields.
TEST(Yaml, Errors) {
  const std::string decoding =
      "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal ";
  const std::string field = " into Go struct field configYAML.Config.";
  const std::pair<const char*, std::string> cases[] = {
      {"max-txn-ops: x", decoding + "string" + field + "max-txn-ops of type uint"},
      {"max-txn-ops: \"5\"", decoding + "string" + field + "max-txn-ops of type uint"},
      {"max-txn-ops: -1", decoding + "number -1" + field + "max-txn-ops of type uint"},
      {"max-txn-ops: 1.5", decoding + "number 1.5" + field + "max-txn-ops of type uint"},
      {"name: 5", decoding + "number" + field + "name of type string"},
      {"name: yes", decoding + "bool" + field + "name of type string"},
      {"grpc-keepalive-interval: 5s",
       decoding + "string" + field + "grpc-keepalive-interval of type time.Duration"},
      {"log-outputs: stderr", decoding + "string" + field + "log-outputs of type []string"},
      {"strict-reconfig-check: \"true\"",
       decoding + "string" + field + "strict-reconfig-check of type bool"},
      {"[]", decoding + "array into Go value of type embed.configYAML"},
      {"feature-gates: Foo=true", "unrecognized feature gate: Foo"},
      {"heartbeat-interval: 0", "--heartbeat-interval must be >0 (set to 0ms)"},
      {"listen-client-urls: ftp://x",
       "unexpected error setting up listen-client-urls: URL scheme must be http, https, unix, or "
       "unixs: ftp://x"},
      {"wal-dir: /x",
       "--wal-dir is refused: Keelson does not have a folder of its own for the log"},
      {"client-transport-security: {auto-tls: true}",
       "--auto-tls is refused: Keelson does not have self-signed certificates"},
      {"discovery-config: {client: {auth: {token: x}}}",
       "--discovery-config.client.auth.token is refused: Keelson does not have discovery"},
  };
  for (const auto& [text, error] : cases) EXPECT_EQ(error_of(from_file(text)), error) << text;
  for (const char* text : {"a: b: c", "{", "\"", "a: [", "- a\nb: c", "\t- x", "*a"}) {
    EXPECT_THAT(error_of(from_file(text)), HasSubstr("error ")) << text;
  }
  EXPECT_EQ(error_of(run({{"--config-file=/nope"}, {}, ""})),
            "open /nope: no such file or directory");
}

// A list that names itself, deep nesting and keys that are no scalars end in an error or are
// ignored.
TEST(Yaml, HostileInput) {
  std::string deep = "name: ";
  for (int i = 0; i < 100000; ++i) deep.push_back('[');
  EXPECT_THAT(error_of(from_file(deep)), HasSubstr("error "));
  EXPECT_EQ(from_file("? [a, b]\n: x\nname: ok\n").config.name, "ok");
  std::string laughs = "a: &a [x]\n";
  for (char c = 'b'; c < 'z'; ++c) {
    laughs += std::string(1, c) + ": &" + c + " [*" + static_cast<char>(c - 1) + ", *" +
              static_cast<char>(c - 1) + "]\n";
  }
  EXPECT_EQ(from_file(laughs + "name: ok\n").config.name, "ok");
  EXPECT_EQ(from_file("name: a\nname: b\n").config.name, "b");
}

}  // namespace
}  // namespace keelson::config
