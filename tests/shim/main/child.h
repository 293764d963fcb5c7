// The server's binary as a child process, for tests of what a process shows: exit codes, output,
// signals.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace keelson::main {

struct ChildOptions {
  std::vector<std::string> arguments;
  std::vector<std::pair<std::string, std::string>> environment;  // added; no ETCD_* is inherited
  std::string folder;                                            // working directory
  unsigned descriptors = 0;                                      // the limit of open ones, unless 0
};

// A running child; killed by the destructor. Not thread-safe.
class Child {
 public:
  explicit Child(const ChildOptions& options);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // Reads stderr until a line holds `text`; gives the line, or "" if the child ended first or 30 s
  // passed.
  std::string wait_line(const std::string& text);
  void signal(int number);
  size_t open_descriptors() const;
  // Waits for the end: the exit code, or minus the signal that killed it.
  int wait();

  const std::string& err() const { return err_; }  // so far; all of it after wait()
  const std::string& out() const { return out_; }

 private:
  bool read_more(int timeout_ms);

  int pid_ = -1;
  int out_fd_ = -1, err_fd_ = -1;
  std::string out_, err_;
  size_t searched_ = 0;
};

// A fresh folder, removed when the test ends.
std::string make_folder();

// Runs to the end and gives the exit code; the output in `child_err` and `child_out` unless null.
int run_child(const ChildOptions& options, std::string* child_err,
              std::string* child_out = nullptr);

// One HTTP/1.1 exchange with 127.0.0.1: the whole answer.
std::string http_get(int port, const std::string& path, const std::string& method = "GET");

}  // namespace keelson::main
