// A data directory of Keelson whose server is stopped.
#include <utility>

#include "backends/migrate/source.h"
#include "backends/native/native_log.h"

namespace keelson::migrate {

namespace {

// Takes what the log hands out, up to the first thing that is wrong with it.
class IntoState final : public backends::LogListener {
 public:
  explicit IntoState(State& state) : state_(state) {}
  void on_committed(std::span<const backends::LogEntry> entries) override {
    for (const backends::LogEntry& entry : entries) {
      if (wrong_.empty()) wrong_ = state_.apply(entry);
    }
  }
  void on_install(backends::CheckpointReader& rows, bool) override {
    wrong_ = state_.install(rows);
  }
  void on_failed(std::span<const backends::ProposalId>, backends::AppendFailure) override {}
  void on_leadership(const backends::Leadership&) override {}
  std::unique_ptr<backends::CheckpointSource> checkpoint() override { return nullptr; }
  const std::string& wrong() const { return wrong_; }

 private:
  State& state_;
  std::string wrong_;
};

class NativeSource final : public Source {
 public:
  NativeSource(std::string folder, const Parts& parts)
      : folder_(std::move(folder)), parts_(parts) {}

  // Everything is looked at when it is read.
  std::string open() override {
    native::NativeOptions options;
    options.data_dir = folder_;
    log_ = std::make_unique<native::NativeLog>(
        std::move(options), native::NativeParts{parts_.files, parts_.digests, parts_.clock,
                                                parts_.threads, parts_.logger, parts_.metrics});
    return "";
  }

  std::string load(State& state) override {
    IntoState listener(state);
    std::string wrong = log_->read(listener);
    if (!wrong.empty()) return wrong;
    return listener.wrong().empty() ? "" : folder_ + ": " + listener.wrong();
  }

 private:
  const std::string folder_;
  const Parts parts_;
  std::unique_ptr<native::NativeLog> log_;
};

}  // namespace

std::unique_ptr<Source> make_native_source(const std::string& folder, const Parts& parts) {
  return std::make_unique<NativeSource>(folder, parts);
}

}  // namespace keelson::migrate
