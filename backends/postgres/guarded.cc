#include "backends/postgres/guarded.h"

namespace keelson::postgres {

// 08: connection exceptions; 57P: shutdowns; 25P03: idle in a transaction for too long; 25006: a
// server that became read-only, as one does that was demoted.
bool ends_session(const std::string& sqlstate) {
  return sqlstate.starts_with("08") || sqlstate.starts_with("57P") || sqlstate == "25P03" ||
         sqlstate == "25006";
}

std::string trimmed(const char* text) {
  std::string out = text;
  out.erase(out.find_last_not_of(" \n") + 1);
  return out;
}

}  // namespace keelson::postgres
