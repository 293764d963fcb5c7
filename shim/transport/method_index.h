// The methods by path, with the counters of each; built once at start, read by all io threads.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/container/node_hash_map.h"
#include "absl/strings/string_view.h"
#include "api/base/metrics.h"
#include "shim/transport/service.h"

namespace keelson::transport {

// One method. Names, labels and help of the counters are those of etcd's metrics.
struct MethodEntry {
  static constexpr int kCodes = 17;
  const Method* method = nullptr;
  bool plain_unary = false;  // one message each way
  base::Counter* started = nullptr;
  base::Counter* received = nullptr;
  base::Counter* sent = nullptr;
  std::array<base::Counter*, kCodes> handled{};
  base::Histogram* seconds = nullptr;  // from begin to end; null unless they are timed

  void count_handled(int code) const {
    handled[code >= 0 && code < kCodes ? static_cast<size_t>(code) : 2]->add();
  }
};

// Thread-safe after construction.
class MethodIndex {
 public:
  // `timed`: the time that each call takes is measured too (etcd's --metrics=extensive).
  MethodIndex(const MethodTable& methods, base::Registry& metrics, bool timed = false);

  // nullptr if there is none.
  const MethodEntry* find(std::string_view path) const {
    auto it = by_path_.find(absl::string_view(path.data(), path.size()));
    return it == by_path_.end() ? nullptr : &it->second;
  }
  // What grpc-go answers for a path that find() does not know.
  Status unknown(std::string_view path) const;

  base::Counter& received_bytes() const { return received_bytes_; }
  base::Counter& sent_bytes() const { return sent_bytes_; }

 private:
  void add(const Method& method, base::Registry& metrics, bool timed);

  absl::node_hash_map<std::string, MethodEntry> by_path_;
  absl::flat_hash_set<std::string> services_;
  base::Counter& received_bytes_;
  base::Counter& sent_bytes_;
};

}  // namespace keelson::transport
