// Every flag with its default and with values of each type, on the command line, in the environment
// and in a file; and the files beside this one.
#include <algorithm>
#include <cctype>
#include <fstream>
#include <iterator>
#include <vector>

#include "shim/config/flag_table.h"
#include "tests/fuzz/seeds/seeds.h"

namespace keelson::fuzz {
namespace {

const std::vector<std::string> kValues = {"",
                                          "true",
                                          "0",
                                          "-1",
                                          "7",
                                          "1.5",
                                          "1h2m3s4ms",
                                          "http://localhost:2379",
                                          "a,b",
                                          "x",
                                          "https://[::1]:1,unix://a:1",
                                          "99999999999999999999",
                                          "AllAlpha=true,x=1",
                                          "0x10",
                                          "debug",
                                          "tls1.2"};

std::string variable(std::string_view name) {
  std::string out = "ETCD_";
  for (char c : name) out.push_back(c == '-' ? '_' : static_cast<char>(std::toupper(c)));
  return out;
}

// One document or command line of a file, each ended by a line "%%".
void give_file(const Sink& sink, std::string_view target, const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  constexpr std::string_view kEnd = "%%\n";
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(kEnd, at), text.size());
    sink(target, text.substr(at, std::max(end, at + 1) - at - 1));  // without the last newline
    at = end + kEnd.size();
  }
}

}  // namespace

void flag_seeds(const Sink& sink) {
  size_t turn = 0;
  for (const config::FlagSpec& flag : config::flag_table()) {
    const std::string name(flag.name), yaml(flag.yaml);
    // A few values each: mutation carries them from one flag to another.
    for (size_t n = 0; n < 3; ++n) {
      const std::string& value = kValues[(turn += 5) % kValues.size()];
      if (!name.starts_with("yaml:")) {
        sink("fuzz_flags", "--" + name + "=" + value);
        sink("fuzz_flags", variable(name) + "=" + value);
      }
      if (yaml.empty() || yaml.find('.') != yaml.npos) continue;
      sink("fuzz_yaml", yaml + ": " + value);
    }
    if (!yaml.empty()) sink("fuzz_yaml", yaml + ": '" + std::string(flag.fallback) + "'\n");
  }
  const std::string folder = KEELSON_SEED_FILES;
  give_file(sink, "fuzz_flags", folder + "/flags.txt");
  give_file(sink, "fuzz_yaml", folder + "/documents.txt");
}

}  // namespace keelson::fuzz
