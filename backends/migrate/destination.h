// Where a state goes to: written beside the place or in one transaction, read back, and only then
// made whole in one step, so that what a killed run leaves is never taken for a store.
#pragma once

#include <memory>
#include <string>

#include "backends/checkpoint.h"
#include "backends/migrate/endpoint.h"
#include "backends/migrate/parts.h"
#include "backends/migrate/state.h"
#include "backends/native/seed.h"

namespace keelson::migrate {

// One thread. Every method returns "" or a sentence for the operator; after one the destination is
// only destroyed, which takes back what was written.
class Destination {
 public:
  virtual ~Destination() = default;
  // Looks whether the place is empty, before anything is read.
  virtual std::string prepare() = 0;
  virtual bool leaderless() const { return false; }
  // What the store can hold of `state`; all of it unless it says otherwise.
  virtual std::string expect(const State& state, Fingerprint& out) {
    out = state.fingerprint();
    return "";
  }
  // What the operator should know of it, "" if nothing.
  virtual std::string note() const { return ""; }
  virtual std::string write(const State& state, const ProgressFn& progress) = 0;
  // Fills an empty state from what write() left.
  virtual std::string read_back(State& state) = 0;
  virtual std::string finish() = 0;
};

std::unique_ptr<Destination> make_snapshot_destination(const std::string& file, const Parts& parts);
std::unique_ptr<Destination> make_native_destination(const std::string& folder,
                                                     const native::SeedMember& member,
                                                     const Parts& parts);
std::unique_ptr<Destination> make_sql_destination(const Endpoint& to, const std::string& schema,
                                                  const Parts& parts);
std::unique_ptr<Destination> make_kine_destination(const Endpoint& to, const Parts& parts);

}  // namespace keelson::migrate
