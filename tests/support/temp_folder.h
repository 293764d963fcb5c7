// Folders for tests that need real files. Each is removed with all that is in it when the test that
// made it ends, whether its expectations held or not; made outside a test, when the program ends.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

namespace keelson::tests {

class TempFolders : public testing::EmptyTestEventListener {
 public:
  // Below $TMPDIR, or /tmp. Absolute, without a slash at the end. Called on the test's thread.
  static std::string make(const std::string& name) {
    static TempFolders* const all = [] {
      auto* made = new TempFolders;
      testing::UnitTest::GetInstance()->listeners().Append(made);  // which owns it
      return made;
    }();
    const char* base = getenv("TMPDIR");
    std::string path = std::string(base != nullptr && *base == '/' ? base : "/tmp");
    path += "/keelson-" + name + "-XXXXXX";
    EXPECT_NE(mkdtemp(path.data()), nullptr) << path;
    bool in_test = testing::UnitTest::GetInstance()->current_test_info() != nullptr;
    (in_test ? all->of_test_ : all->of_program_).push_back(path);
    return path;
  }

 private:
  void OnTestEnd(const testing::TestInfo&) override { remove(of_test_); }
  void OnTestProgramEnd(const testing::UnitTest&) override { remove(of_program_); }
  static void remove(std::vector<std::string>& paths) {
    std::error_code ignored;
    for (const std::string& path : paths) std::filesystem::remove_all(path, ignored);
    paths.clear();
  }

  std::vector<std::string> of_test_, of_program_;
};

inline std::string temp_folder(const std::string& name) {
  return TempFolders::make(name);
}

}  // namespace keelson::tests
