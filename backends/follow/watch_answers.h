// The answers of a watch over all keys, cut into whole transactions.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "api/base/ids.h"
#include "backends/follow/transaction.h"

namespace keelson::follow {

// The request: every key from a revision on, large answers in fragments (etcd caps these at
// max-request-bytes, where an answer may else hold a thousand revisions).
std::string watch_request(Revision from);

// One thread. A revision's events may come in several fragments; it is whole when a later event or
// the last fragment is there.
class WatchAnswers {
 public:
  using Sink = std::function<bool(Transaction transaction)>;  // false: no more are wanted

  enum class Verdict {
    kMore,
    kEnough,     // the sink wants no more
    kCompacted,  // the source no longer has the revision asked for
    kCancelled,  // the server ended the watch; reason() tells why
    kMalformed,
  };
  Verdict take(std::string_view message, const Sink& sink);

  const std::string& reason() const { return reason_; }

 private:
  bool add(std::string_view event, const Sink& sink, bool& wanted);

  Transaction current_;
  std::string reason_;
};

}  // namespace keelson::follow
