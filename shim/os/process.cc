#include "shim/os/process.h"

#include <dirent.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include <charconv>
#include <fstream>
#include <sstream>
#include <vector>

namespace keelson::os {

namespace {

std::string slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

// The number at the start of `text`; false for "max" and anything else.
bool leading_number(std::string_view text, uint64_t& out) {
  return std::from_chars(text.data(), text.data() + text.size(), out).ec == std::errc();
}

// "MemTotal:  8 kB" of /proc/meminfo, in bytes.
uint64_t machine_memory(const std::string& root) {
  std::istringstream lines(slurp(root + "/proc/meminfo"));
  std::string name, unit;
  for (uint64_t kib = 0; lines >> name >> kib; std::getline(lines, unit)) {
    if (name == "MemTotal:") return kib * 1024;
  }
  return 0;
}

void lower(MemoryBound& bound, const std::string& file) {
  uint64_t limit = 0;
  if (!leading_number(slurp(file), limit) || limit == 0) return;
  if (bound.bytes == 0 || limit < bound.bytes) bound = {limit, file};
}

// The limits in `mount` of the group `path` and of every group above it: each of them holds. Inside
// a container the path may name groups that the mount does not show; its root is then the own
// group.
void lower_by_group(MemoryBound& bound, const std::string& mount, std::string path,
                    const std::string& file) {
  while (path.size() > 1 && path[0] == '/') {
    lower(bound, mount + path + "/" + file);
    path.resize(path.rfind('/'));
  }
  lower(bound, mount + "/" + file);
}

}  // namespace

MemoryBound memory_bound(const std::string& root) {
  MemoryBound bound{machine_memory(root), "machine"};
  std::istringstream lines(slurp(root + "/proc/self/cgroup"));
  for (std::string line; std::getline(lines, line);) {
    // "hierarchy:controllers:path"; hierarchy 0 without controllers is version 2.
    size_t first = line.find(':');
    size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    std::string path = line.substr(second + 1);
    if (controllers == ",,") {
      lower_by_group(bound, root + "/sys/fs/cgroup", path, "memory.max");
    } else if (controllers.find(",memory,") != std::string::npos) {
      lower_by_group(bound, root + "/sys/fs/cgroup/memory", path, "memory.limit_in_bytes");
    }
  }
  return bound;
}

std::vector<std::string> command_line() {
  std::istringstream in(slurp("/proc/self/cmdline"));
  std::vector<std::string> out;
  for (std::string argument; std::getline(in, argument, '\0');) out.push_back(argument);
  return out;
}

uint64_t open_descriptors() {
  DIR* dir = opendir("/proc/self/fd");
  if (!dir) return 0;
  uint64_t count = 0;
  while (dirent* entry = readdir(dir)) count += entry->d_name[0] != '.';
  closedir(dir);
  return count - 1;  // without the one that listed them
}

uint64_t descriptor_limit() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

double virtual_memory_limit() {
  rlimit limit{};
  getrlimit(RLIMIT_AS, &limit);
  return static_cast<double>(limit.rlim_cur);
}

void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

ProcessFigures process_figures() {
  ProcessFigures out;
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval& t) { return double(t.tv_sec) + double(t.tv_usec) * 1e-6; };
  out.cpu_seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime);

  std::istringstream statm(slurp("/proc/self/statm"));
  uint64_t pages = 0, resident = 0;
  statm >> pages >> resident;
  uint64_t page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  out.virtual_bytes = pages * page;
  out.resident_bytes = resident * page;

  // Field 22 of stat, counted behind the name in parentheses, is the start in ticks since boot.
  std::string stat = slurp("/proc/self/stat");
  std::istringstream fields(stat.substr(stat.rfind(')') + 1));
  std::string field;
  for (int i = 3; i <= 22; ++i) fields >> field;
  uint64_t ticks = 0, boot = 0;
  leading_number(field, ticks);
  std::string text = slurp("/proc/stat");
  size_t at = text.find("\nbtime ");
  if (at != std::string::npos) leading_number(std::string_view(text).substr(at + 7), boot);
  out.start_time_seconds = double(boot) + double(ticks) / double(sysconf(_SC_CLK_TCK));

  // Interface lines of net/dev: name, eight numbers of receiving, eight of sending.
  std::istringstream lines(slurp("/proc/self/net/dev"));
  for (std::string line; std::getline(lines, line);) {
    size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    std::istringstream numbers(line.substr(colon + 1));
    uint64_t n[9] = {};
    for (uint64_t& v : n) numbers >> v;
    out.network_received_bytes += n[0];
    out.network_sent_bytes += n[8];
  }
  return out;
}

}  // namespace keelson::os
