// What the process shows to its operator: exit codes, texts, log lines, signals, readiness.
// Expected texts and codes are those of a running etcd 3.7.3 unless Keelson's own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <fstream>

#include "tests/shim/main/child.h"
#include "tests/support/silent_port.h"

namespace keelson::main {
namespace {

using testing::HasSubstr;

const std::vector<std::string> kAnyPort = {"--listen-client-urls=http://127.0.0.1:0",
                                           "--advertise-client-urls=http://127.0.0.1:0"};

std::vector<std::string> with(std::vector<std::string> arguments, bool any_port = true) {
  if (any_port) arguments.insert(arguments.begin(), kAnyPort.begin(), kAnyPort.end());
  return arguments;
}

// The port of the log line that tells of serving.
int serving_port(Child& child) {
  std::string line = child.wait_line("serving client traffic");
  size_t at = line.rfind("127.0.0.1:");
  return at == std::string::npos ? 0 : std::atoi(line.c_str() + at + 10);
}

TEST(Binary, ExitCodesOfTheCommandLine) {
  struct {
    std::vector<std::string> arguments;
    std::vector<std::pair<std::string, std::string>> environment;
    int code;
    const char* err;
    const char* out;
  } const cases[] = {
      {{"--bogus"}, {}, 2, "flag provided but not defined: -bogus\nUsage:\n", ""},
      {{"--max-txn-ops=x"}, {}, 2, "invalid value \"x\" for flag -max-txn-ops: parse error\n", ""},
      {{"--log-level=bogus"}, {}, 2, "panic: unrecognized level: \"bogus\"\n", ""},
      {{"--help"}, {}, 0, "", "--listen-client-urls"},
      {{"-h"}, {}, 0, "", "Usage:\n"},
      {{"--version"}, {}, 0, "", "\netcd Version: 3.7.3\n"},
      {{"pos"}, {}, 1, R"("level":"warn")", ""},
      {{"pos"},
       {},
       1,
       R"("msg":"failed to verify flags","error":"\"pos\" is not a valid flag")",
       ""},
      {{"--name=a"}, {{"ETCD_NAME", "a"}}, 1, R"("level":"fatal")", ""},
      {{}, {{"ETCD_MAX_TXN_OPS", "zz"}}, 1, "for ETCD_MAX_TXN_OPS: parse error", ""},
      {{"--config-file=/nope"}, {}, 1, "open /nope: no such file or directory", ""},
      {{"--wal-dir=/x"}, {}, 1, "--wal-dir is refused", ""},
      {{"--log-outputs=/nope/x"},
       {},
       1,
       R"(open sink \"/nope/x\": open /nope/x: no such file)",
       ""},
      {{"--memory-limit-bytes=18446744073709551615"}, {}, 1, "bytes of memory there are", ""},
  };
  std::string folder = make_folder();
  for (const auto& c : cases) {
    std::string err, out;
    EXPECT_EQ(run_child({c.arguments, c.environment, folder}, &err, &out), c.code) << err;
    EXPECT_THAT(err, HasSubstr(c.err));
    EXPECT_THAT(out, HasSubstr(c.out));
  }
}

TEST(Binary, StartsThatFailEndWithOne) {
  tests::SilentPort taken;
  std::string folder = make_folder();
  std::ofstream(folder + "/file") << "x";
  std::ofstream(folder + "/bad.pem") << "no certificate";
  std::string url = "http://" + taken.address();
  const std::vector<std::string> https = {"--listen-client-urls=https://127.0.0.1:0",
                                          "--advertise-client-urls=https://127.0.0.1:0"};
  auto secure = [&](std::vector<std::string> more) {
    more.insert(more.begin(), https.begin(), https.end());
    return more;
  };
  const std::pair<std::vector<std::string>, std::string> cases[] = {
      {{"--listen-client-urls=" + url, "--advertise-client-urls=" + url},
       "listen tcp " + taken.address() + ": bind: address already in use"},
      {{"--listen-client-urls=http://127.0.0.1:99999", "--advertise-client-urls=http://a:1"},
       "listen tcp: address 99999: invalid port"},
      {secure({}), "TLS key/cert (--cert-file, --key-file) must be provided for client url"},
      {secure({"--cert-file=bad.pem", "--key-file=bad.pem"}), "bad.pem"},
      {secure({"--cert-file=/nope", "--key-file=/nope"}), "/nope: no such file or directory"},
      {with({"--data-dir=/proc/x"}), "/proc/x"},
      {with({"--data-dir=file"}), "file"},
      {with({"--initial-cluster=a=http://x:1"}), "couldn't find local name"},
      {with({"--listen-metrics-urls=" + url}), "address already in use"},
  };
  for (const auto& [arguments, text] : cases) {
    std::string err;
    EXPECT_EQ(run_child({arguments, {}, folder}, &err), 1) << err;
    EXPECT_THAT(err, HasSubstr(R"("level":"fatal")"));
    EXPECT_THAT(err, HasSubstr(R"("msg":"discovery failed")"));
    EXPECT_THAT(err, HasSubstr(text));
  }
}

TEST(Binary, SignalsCloseCleanlyAndAreTheCauseOfDeath) {
  for (int number : {SIGTERM, SIGINT}) {
    for (const char* backend : {"memory", "native"}) {
      Child child({with({std::string("--backend=") + backend}), {}, make_folder()});
      ASSERT_NE(child.wait_line("ready to serve client requests"), "") << child.err();
      child.signal(number);
      EXPECT_EQ(child.wait(), -number) << child.err();
      EXPECT_THAT(child.err(),
                  HasSubstr(R"("msg":"received signal; shutting down","signal":")" +
                            std::string(number == SIGTERM ? "terminated" : "interrupt")));
      EXPECT_LT(child.err().find(R"("msg":"closing etcd server")"),
                child.err().find(R"("msg":"closed etcd server")"));
      EXPECT_EQ(child.out(), "");
    }
  }
}

TEST(Binary, LogLinesComeInEtcdsOrder) {
  Child child({with({"--name=m1"}), {}, make_folder()});
  for (const char* message :
       {"\"msg\":\"Running: \"", "\"msg\":\"starting an etcd server\"",
        "\"msg\":\"configuring client listeners\"", "\"msg\":\"kvstore restored\"",
        "\"msg\":\"published local member to cluster through raft\"",
        "\"msg\":\"set initial cluster version\"", "\"msg\":\"ready to serve client requests\"",
        "\"msg\":\"serving client traffic insecurely; this is strongly discouraged!\"",
        "\"msg\":\"grpc service status changed\"", "\"msg\":\"notifying init daemon\"",
        "\"msg\":\"successfully notified init daemon\""}) {
    EXPECT_NE(child.wait_line(message), "") << message << "\n" << child.err();
  }
}

TEST(Binary, ReadinessIsOneDatagram) {
  std::string path = make_folder() + "/notify";
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_un at{};
  at.sun_family = AF_UNIX;
  path.copy(at.sun_path, sizeof at.sun_path - 1);
  ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
  Child child({with({"--backend=memory"}), {{"NOTIFY_SOCKET", path}}, make_folder()});
  ASSERT_NE(child.wait_line("successfully notified init daemon"), "") << child.err();
  char buffer[64];
  ssize_t n = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
  ASSERT_GT(n, 0);
  EXPECT_EQ(std::string(buffer, static_cast<size_t>(n)), "READY=1");
  close(fd);
}

TEST(Binary, ServesHttp) {
  Child child({with({"--backend=memory", "--log-format=console"}), {}, make_folder()});
  int port = serving_port(child);
  ASSERT_GT(port, 0) << child.err();
  EXPECT_THAT(http_get(port, "/health"),
              HasSubstr("\r\n\r\n{\"health\":\"true\",\"reason\":\"\"}"));
  EXPECT_THAT(http_get(port, "/readyz"), HasSubstr("\r\n\r\nok\n"));
  EXPECT_THAT(http_get(port, "/version"), HasSubstr("{\"etcdserver\":\"3.7.3\",\"etcdcluster\":"));
  EXPECT_THAT(http_get(port, "/metrics"), HasSubstr("\netcd_server_id{server_id=\""));
  EXPECT_THAT(http_get(port, "/nothing"), HasSubstr("HTTP/1.1 404"));
  EXPECT_THAT(http_get(port, "/health", "POST"), HasSubstr("HTTP/1.1 405"));
}

TEST(Binary, LogsToFilesAndStdout) {
  std::string folder = make_folder();
  Child child({with({"--backend=memory", "--log-outputs=stdout,a.log"}), {}, folder});
  std::string text;
  for (int i = 0; i < 300 && text.find("notified init") == std::string::npos; ++i) {
    usleep(20000);
    std::ifstream in(folder + "/a.log");
    text.assign(std::istreambuf_iterator<char>(in), {});
  }
  child.signal(SIGTERM);
  EXPECT_EQ(child.wait(), -SIGTERM);
  EXPECT_THAT(child.out(), HasSubstr("ready to serve client requests"));
  EXPECT_EQ(child.err(), "");
  EXPECT_THAT(text, HasSubstr("ready to serve client requests"));
}

TEST(Binary, AFolderIsServedByOneProcess) {
  std::string folder = make_folder();
  Child first({with({}), {}, folder});
  ASSERT_NE(first.wait_line("ready to serve client requests"), "") << first.err();
  std::string err;
  EXPECT_EQ(run_child({with({}), {}, folder}, &err), 1);
  EXPECT_THAT(err, HasSubstr("discovery failed"));
  // The folder is whole and free again once the first has ended.
  first.signal(SIGTERM);
  EXPECT_EQ(first.wait(), -SIGTERM);
  Child second({with({}), {}, folder});
  EXPECT_NE(second.wait_line("ready to serve client requests"), "") << second.err();
  EXPECT_THAT(second.err(), HasSubstr("server has already been initialized"));
}

// As etcd: what is not the server's is left alone and does not keep it from starting.
TEST(Binary, StrayFilesAreLeftAloneAndNamed) {
  std::string folder = make_folder();
  {
    Child first({with({"--data-dir=d"}), {}, folder});
    ASSERT_NE(first.wait_line("ready to serve client requests"), "") << first.err();
    EXPECT_THAT(first.err(), testing::Not(HasSubstr("ignored file")));
    first.signal(SIGTERM);
    EXPECT_EQ(first.wait(), -SIGTERM);
  }
  const std::string first_segment = "/0000000000000000-0000000000000000.wal";
  const std::pair<std::string, std::string> strays[] = {
      {"d/member/notes.txt", "member"},     {"d/member/old", "member"},
      {"d/member/wal/core.1", "WAL"},       {"d/member/wal" + first_segment + ".broken", "WAL"},
      {"d/member/wal/zzz.wal", "WAL"},      {"d/member/wal/old", "WAL"},
      {"d/member/snap/db.bak", "snapshot"}, {"d/member/snap/old", "snapshot"},
  };
  for (const auto& [path, kind] : strays) {
    if (path.ends_with("/old")) {
      EXPECT_EQ(mkdir((folder + "/" + path).c_str(), 0700), 0);
    } else {
      std::ofstream(folder + "/" + path) << "x";
    }
  }
  Child second({with({"--data-dir=d"}), {}, folder});
  ASSERT_NE(second.wait_line("ready to serve client requests"), "") << second.err();
  for (const auto& [path, kind] : strays) {
    EXPECT_THAT(second.err(), HasSubstr(R"("level":"warn")"));
    EXPECT_THAT(second.err(), HasSubstr(R"("msg":"ignored file in )" + kind +
                                        R"( directory","path":")" + path + "\""));
    EXPECT_EQ(access((folder + "/" + path).c_str(), F_OK), 0) << path;
  }
  second.signal(SIGTERM);
  EXPECT_EQ(second.wait(), -SIGTERM);
  // A folder in the place of a segment is no stray: it could hide what was acknowledged.
  const std::string next = "d/member/wal/0000000000000001-0000000000000009.wal";
  EXPECT_EQ(mkdir((folder + "/" + next).c_str(), 0700), 0);
  std::string err;
  EXPECT_EQ(run_child({with({"--data-dir=d"}), {}, folder}, &err), 1);
  EXPECT_THAT(err, HasSubstr(next + ": Is a directory"));
}

TEST(Binary, AFlagWithoutEffectIsWarnedAboutOnce) {
  Child child({with({"--backend=memory", "--snapshot-count=7"}), {}, make_folder()});
  ASSERT_NE(child.wait_line("ready to serve client requests"), "") << child.err();
  const std::string warning =
      R"("msg":"flag is accepted but has no effect","flag":"snapshot-count","value":"7"})";
  size_t at = child.err().find(warning);
  ASSERT_NE(at, std::string::npos) << child.err();
  EXPECT_EQ(child.err().find(warning, at + 1), std::string::npos);
}

}  // namespace
}  // namespace keelson::main
