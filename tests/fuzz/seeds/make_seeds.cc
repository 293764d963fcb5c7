// make_seeds DIR: writes the first inputs of every fuzz target into DIR/TARGET.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>

#include "tests/fuzz/seeds/seeds.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: make_seeds DIR\n", stderr);
    return 2;
  }
  const std::filesystem::path dir = argv[1];
  std::map<std::string, int, std::less<>> counts;
  bool good = true;
  const auto sink = [&](std::string_view target, const std::string& bytes) {
    const int number = counts[std::string(target)]++;
    std::filesystem::create_directories(dir / target);
    std::ofstream out(dir / target / ("seed" + std::to_string(number)), std::ios::binary);
    out << bytes;
    good = good && out.flush().good();
  };
  keelson::fuzz::http_seeds(sink);
  keelson::fuzz::request_seeds(sink);
  keelson::fuzz::log_seeds(sink);
  keelson::fuzz::file_seeds(sink);
  keelson::fuzz::flag_seeds(sink);
  return good ? 0 : 1;
}
