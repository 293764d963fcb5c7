// Log records in etcd's shape, sinks and rotation.
#include "shim/os/logger.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "shim/os/log_record.h"
#include "tests/support/temp_folder.h"

namespace keelson::os {
namespace {

using base::LogField;
using base::LogLevel;
using testing::HasSubstr;

class FakeClock : public base::Clock {
 public:
  base::MonotonicTime now() const override { return {since_}; }
  base::WallTime wall() const override { return {wall_ + since_}; }
  void advance(base::Duration d) { since_ += d; }

 private:
  base::Duration since_{0};
  base::Duration wall_ = std::chrono::microseconds(1'763'719'226'047'900);
};

class MemorySink : public LogSink {
 public:
  explicit MemorySink(std::vector<std::string>& lines) : lines_(lines) {}
  void write(LogLevel, std::string_view line) override { lines_.emplace_back(line); }

 private:
  std::vector<std::string>& lines_;
};

// The local zone is part of a record's text.
class LoggerTest : public testing::Test {
 protected:
  void SetUp() override { set_zone("UTC"); }
  static void set_zone(const char* zone) {
    setenv("TZ", zone, 1);
    tzset();
  }
  std::unique_ptr<base::Logger> logger(LogLevel level = LogLevel::kInfo, bool console = false) {
    std::vector<std::unique_ptr<LogSink>> sinks;
    sinks.push_back(std::make_unique<MemorySink>(lines_));
    return make_logger(level, console, std::move(sinks), clock_);
  }
  std::string folder() { return tests::temp_folder("log"); }
  static std::string contents(const std::string& path) {
    std::ostringstream out;
    out << std::ifstream(path).rdbuf();
    return out.str();
  }
  FakeClock clock_;
  std::vector<std::string> lines_;
};

TEST_F(LoggerTest, JsonRecord) {
  logger()->write(LogLevel::kWarn, "main/serve.cc:7", "a \"message\"",
                  {LogField("text", "x\n\t\x01\\"), LogField("int", -3),
                   LogField("id", uint64_t{7}), LogField("ratio", 0.25), LogField("flag", true),
                   LogField("took", base::Duration(std::chrono::milliseconds(1500))),
                   LogField("urls", std::vector<std::string>{"http://a", "b"}),
                   LogField("none", std::vector<std::string>{})});
  ASSERT_EQ(lines_.size(), 1u);
  EXPECT_EQ(lines_[0],
            R"({"level":"warn","ts":"2025-11-21T10:00:26.047900Z","caller":"main/serve.cc:7",)"
            R"("msg":"a \"message\"","text":"x\n\t\u0001\\","int":-3,"id":7,"ratio":0.25,)"
            R"("flag":true,"took":"1.5s","urls":["http://a","b"],"none":[]})"
            "\n");
}

TEST_F(LoggerTest, BrokenUtf8BecomesTheReplacementCharacter) {
  std::string text = "ok\xc3\xa9 \xff \xc3 \xed\xa0\x80 \xf4\x90\x80\x80 \xe2\x82";
  logger()->write(LogLevel::kInfo, "c", text, {});
  EXPECT_THAT(lines_[0], HasSubstr("\"msg\":\"ok\xc3\xa9 \\ufffd \\ufffd \\ufffd\\ufffd\\ufffd "
                                   "\\ufffd\\ufffd\\ufffd\\ufffd \\ufffd\\ufffd\""));
}

TEST_F(LoggerTest, ZonesOtherThanUtcHaveAnOffset) {
  set_zone("IST-5:30");
  EXPECT_EQ(timestamp(clock_.wall()), "2025-11-21T15:30:26.047900+0530");
  set_zone("NST3:30");
  EXPECT_EQ(timestamp(clock_.wall()), "2025-11-21T06:30:26.047900-0330");
}

TEST_F(LoggerTest, ConsoleRecord) {
  auto log = logger(LogLevel::kInfo, true);
  log->write(LogLevel::kInfo, "main/a.cc:1", "plain", {});
  log->write(LogLevel::kError, "main/a.cc:2", "fields", {LogField("a", "b"), LogField("n", 1)});
  EXPECT_EQ(lines_[0], "2025-11-21T10:00:26.047900Z\tinfo\tmain/a.cc:1\tplain\n");
  EXPECT_EQ(lines_[1],
            "2025-11-21T10:00:26.047900Z\terror\tmain/a.cc:2\tfields\t{\"a\":\"b\",\"n\":1}\n");
}

TEST_F(LoggerTest, TheMacroGivesTheCallerAndAsksForTheLevel) {
  auto log = logger();
  int evaluated = 0;
  auto count = [&] { return ++evaluated; };
  KEELSON_LOG(*log, kDebug, "not seen", {"n", count()});
  KEELSON_LOG(*log, kInfo, "seen", {"n", count()});
  ASSERT_EQ(lines_.size(), 1u);
  EXPECT_EQ(evaluated, 1);
  EXPECT_THAT(lines_[0], HasSubstr("\"caller\":\"os/logger_test.cc:"));
}

TEST_F(LoggerTest, SamplesPerSecondLevelAndMessage) {
  auto log = logger(LogLevel::kDebug);
  auto burst = [&](LogLevel level, const char* message, int count) {
    size_t before = lines_.size();
    for (int i = 0; i < count; ++i) log->write(level, "c", message, {});
    return lines_.size() - before;
  };
  EXPECT_EQ(burst(LogLevel::kInfo, "storm", 99), 99u);
  EXPECT_EQ(burst(LogLevel::kInfo, "storm", 401), 1u + 4u);  // the 100th; 200, 300, 400, 500
  EXPECT_EQ(burst(LogLevel::kWarn, "storm", 100), 100u);
  EXPECT_EQ(burst(LogLevel::kInfo, "another", 100), 100u);
  clock_.advance(std::chrono::milliseconds(999));
  EXPECT_EQ(burst(LogLevel::kInfo, "storm", 50), 0u);
  clock_.advance(std::chrono::milliseconds(1));
  EXPECT_EQ(burst(LogLevel::kInfo, "storm", 100), 100u);
}

TEST_F(LoggerTest, OutputsAreOpenedOrRefused) {
  std::unique_ptr<base::Logger> log;
  LogOptions options;
  options.outputs = {"/nope/x"};
  EXPECT_EQ(make_logger(options, clock_, log),
            "open sink \"/nope/x\": open /nope/x: no such file or directory");
  EXPECT_EQ(log, nullptr);
  std::string path = folder() + "/a.log", other = folder() + "/b.log";
  options.outputs = {path, other};
  ASSERT_EQ(make_logger(options, clock_, log), "");
  log->write(LogLevel::kInfo, "c", "to both", {});
  EXPECT_THAT(contents(path), HasSubstr("to both"));
  EXPECT_EQ(contents(path), contents(other));
}

TEST_F(LoggerTest, FilesAreAppendedTo) {
  std::string path = folder() + "/a.log";
  for (int i = 0; i < 2; ++i) {
    std::unique_ptr<LogSink> sink;
    ASSERT_EQ(make_file_sink(path, {}, clock_, sink), "");
    sink->write(LogLevel::kInfo, "line\n");
  }
  EXPECT_EQ(contents(path), "line\nline\n");
}

TEST_F(LoggerTest, RotationKeepsTheNewestBackups) {
  std::string where = folder(), path = where + "/a.log";
  std::unique_ptr<LogSink> sink;
  RotationOptions rotation;
  rotation.enabled = true;
  rotation.max_size_mb = 1;
  rotation.max_backups = 2;
  ASSERT_EQ(make_file_sink(path, rotation, clock_, sink), "");
  std::string half(600 * 1024, 'x');
  half.back() = '\n';
  for (int i = 0; i < 5; ++i) {
    sink->write(LogLevel::kInfo, half);
    clock_.advance(std::chrono::seconds(1));
  }
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(where)) {
    names.push_back(entry.path().filename());
    EXPECT_EQ(entry.file_size(), half.size());
  }
  EXPECT_THAT(names, testing::UnorderedElementsAre("a.log", "a-2025-11-21T10-00-29.047.log",
                                                   "a-2025-11-21T10-00-30.047.log"));
}

// A server whose log reader has stopped reading must go on serving.
TEST_F(LoggerTest, AFullPipeDropsLinesInsteadOfBlocking) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, 0), 0);
  auto sink = make_stream_sink(ends[1]);
  std::string line(1000, 'y');
  line.back() = '\n';
  for (int i = 0; i < 1000; ++i) sink->write(LogLevel::kInfo, line);
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  size_t got = 0;
  std::string buffer(1 << 20, '\0');
  while (ssize_t n = read(ends[0], buffer.data(), buffer.size())) {
    if (n < 0) break;
    got += static_cast<size_t>(n);
  }
  EXPECT_GE(got, 4096u);
  EXPECT_LT(got, 1000u * 1000u);
  sink->write(LogLevel::kInfo, "again\n");
  ssize_t n = read(ends[0], buffer.data(), buffer.size());
  EXPECT_EQ(buffer.substr(0, static_cast<size_t>(n)), "again\n");
  close(ends[0]);
  close(ends[1]);
}

TEST_F(LoggerTest, TheJournalGetsPriorityAndMessage) {
  std::string path = folder() + "/journal";
  std::unique_ptr<LogSink> sink;
  EXPECT_THAT(make_journal_sink(path, sink),
              HasSubstr("can't find journal (dial unixgram " + path));
  int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
  sockaddr_un at{};
  at.sun_family = AF_UNIX;
  path.copy(at.sun_path, sizeof at.sun_path - 1);
  ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
  ASSERT_EQ(make_journal_sink(path, sink), "");
  sink->write(LogLevel::kWarn, "a line\n");
  char buffer[200];
  ssize_t n = recv(fd, buffer, sizeof buffer, 0);
  ASSERT_GT(n, 0);
  EXPECT_EQ(std::string(buffer, static_cast<size_t>(n)),
            "PRIORITY=4\nSYSLOG_IDENTIFIER=keelson\nMESSAGE=a line\n");
  close(fd);
}

}  // namespace
}  // namespace keelson::os
