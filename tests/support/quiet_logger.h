// A logger that keeps the messages for a test to look at.
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "api/base/log.h"

namespace keelson::tests {

class QuietLogger : public base::Logger {
 public:
  bool enabled(base::LogLevel) const override { return true; }
  void write(base::LogLevel, std::string_view, std::string_view message,
             std::initializer_list<base::LogField>) override {
    std::lock_guard lock(mutex_);
    messages_.emplace_back(message);
  }
  std::vector<std::string> messages() const {
    std::lock_guard lock(mutex_);
    return messages_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> messages_;
};

}  // namespace keelson::tests
