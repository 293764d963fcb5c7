// Where a state comes from.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "backends/migrate/endpoint.h"
#include "backends/migrate/parts.h"
#include "backends/migrate/state.h"

namespace keelson::migrate {

// One thread. Holds what keeps others out of the store for as long as it lives.
class Source {
 public:
  virtual ~Source() = default;
  // Looks whether the store is there and at rest. "" or a sentence for the operator.
  virtual std::string open() = 0;
  // Its log has no leader; see State.
  virtual bool leaderless() const { return false; }
  // Fills an empty state. REQUIRES: open() returned "".
  virtual std::string load(State& state) = 0;
};

// How a running server is reached: the process knows, this module has no network.
struct EtcdAccess {
  // Takes a snapshot into an empty file, with its digest. "" or why there is none.
  std::function<std::string(const std::string& endpoint, base::File& file)> fetch;
  std::string folder = "/tmp";  // of the file, which is removed at the end
};

std::unique_ptr<Source> make_snapshot_source(const std::string& file, bool skip_hash_check,
                                             const Parts& parts);
std::unique_ptr<Source> make_etcd_source(const std::string& endpoint, const EtcdAccess& access,
                                         const Parts& parts);
std::unique_ptr<Source> make_native_source(const std::string& folder, const Parts& parts);
std::unique_ptr<Source> make_sql_source(const Endpoint& from, const std::string& schema,
                                        const Parts& parts);
std::unique_ptr<Source> make_kine_source(const Endpoint& from, bool in_use, const Parts& parts);

}  // namespace keelson::migrate
