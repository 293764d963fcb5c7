// A child process for the tests of the binary: its pipes, signals and end.
#include "tests/shim/main/child.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ctime>
#include <filesystem>

#include "tests/support/temp_folder.h"

extern char** environ;

namespace keelson::main {

namespace {

// Everything a child needs between fork and exec is made before: only safe calls follow.
[[noreturn]] void become(const ChildOptions& options, char* const* arguments,
                         char* const* variables, int out, int err) {
  dup2(out, STDOUT_FILENO);
  dup2(err, STDERR_FILENO);
  if (!options.folder.empty() && chdir(options.folder.c_str()) != 0) _exit(126);
  const rlimit descriptors = {options.descriptors, options.descriptors};
  if (options.descriptors > 0 && setrlimit(RLIMIT_NOFILE, &descriptors) != 0) _exit(126);
  execve(KEELSON_BINARY, arguments, variables);
  _exit(127);
}

bool drain(int& fd, std::string& into) {
  char buffer[65536];
  ssize_t n = read(fd, buffer, sizeof buffer);
  if (n > 0) {
    into.append(buffer, static_cast<size_t>(n));
    return true;
  }
  close(fd);
  fd = -1;
  return false;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (std::string& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

}  // namespace

Child::Child(const ChildOptions& options) {
  std::vector<std::string> arguments{KEELSON_BINARY}, variables;
  arguments.insert(arguments.end(), options.arguments.begin(), options.arguments.end());
  for (char** entry = environ; *entry; ++entry) {
    std::string text = *entry;
    if (!text.starts_with("ETCD_") && !text.starts_with("NOTIFY_SOCKET")) variables.push_back(text);
  }
  for (const auto& [name, value] : options.environment) variables.push_back(name + "=" + value);
  auto argument_pointers = pointers(arguments), variable_pointers = pointers(variables);
  int out[2], err[2];
  EXPECT_EQ(pipe2(out, O_CLOEXEC), 0);
  EXPECT_EQ(pipe2(err, O_CLOEXEC), 0);
  pid_ = fork();
  if (pid_ == 0) {
    become(options, argument_pointers.data(), variable_pointers.data(), out[1], err[1]);
  }
  close(out[1]);
  close(err[1]);
  out_fd_ = out[0];
  err_fd_ = err[0];
}

Child::~Child() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  if (out_fd_ >= 0) close(out_fd_);
  if (err_fd_ >= 0) close(err_fd_);
}

bool Child::read_more(int timeout_ms) {
  pollfd fds[2] = {{out_fd_, POLLIN, 0}, {err_fd_, POLLIN, 0}};
  if (poll(fds, 2, timeout_ms) <= 0) return false;
  bool any = false;
  if (out_fd_ >= 0 && fds[0].revents) any |= drain(out_fd_, out_);
  if (err_fd_ >= 0 && fds[1].revents) any |= drain(err_fd_, err_);
  return any || out_fd_ >= 0 || err_fd_ >= 0;
}

std::string Child::wait_line(const std::string& text) {
  for (time_t end = time(nullptr) + 30; time(nullptr) < end;) {
    for (size_t stop; (stop = err_.find('\n', searched_)) != std::string::npos;) {
      std::string line = err_.substr(searched_, stop - searched_);
      searched_ = stop + 1;
      if (line.find(text) != std::string::npos) return line;
    }
    if (!read_more(1000) && err_fd_ < 0) return "";
  }
  return "";
}

void Child::signal(int number) {
  kill(pid_, number);
}

size_t Child::open_descriptors() const {
  const std::filesystem::directory_iterator all("/proc/" + std::to_string(pid_) + "/fd");
  return static_cast<size_t>(std::distance(begin(all), end(all)));
}

int Child::wait() {
  while (out_fd_ >= 0 || err_fd_ >= 0) {
    if (!read_more(30000)) break;
  }
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

std::string make_folder() {
  return tests::temp_folder("main");
}

int run_child(const ChildOptions& options, std::string* child_err, std::string* child_out) {
  Child child(options);
  int code = child.wait();
  if (child_err) *child_err = child.err();
  if (child_out) *child_out = child.out();
  return code;
}

std::string http_get(int port, const std::string& path, const std::string& method) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(port));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string answer;
  if (connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0) {
    std::string request =
        method + " " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    EXPECT_EQ(send(fd, request.data(), request.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(request.size()));
    char buffer[65536];
    for (ssize_t n; (n = recv(fd, buffer, sizeof buffer, 0)) > 0;) {
      answer.append(buffer, static_cast<size_t>(n));
    }
  }
  close(fd);
  return answer;
}

}  // namespace keelson::main
