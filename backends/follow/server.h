// The seam to a server that speaks etcd's API: gRPC calls, as the process knows how to make them.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "api/base/clock.h"

namespace keelson::follow {

// How a call ended.
struct Outcome {
  enum class Kind : uint8_t {
    kDone,
    kRefused,  // the server answered with a status
    kLost,     // no answer: whether the server did what it was asked is not known
  };
  Kind kind = Kind::kDone;
  int code = 0;  // gRPC's, of a refusal
  std::string text;

  bool ok() const { return kind == Kind::kDone; }
  // Worth another attempt: no connection, no leader, too much to do. Of a write, whether it
  // happened is not known.
  bool transient() const;
};

// Given each answer of a call; false gives the call up.
using Take = std::function<bool(std::string_view message)>;

// One connection. One thread calls; shut() is for any.
class Channel {
 public:
  virtual ~Channel() = default;
  // Sends all requests, says that there are no more, and blocks until the call has ended. After
  // kLost the channel is of no more use.
  virtual Outcome call(const std::string& method, std::span<const std::string> requests,
                       const Take& take) = 0;
  // Ends a call under way, and lets all later ones fail.
  virtual void shut() = 0;
};

// A server that says nothing for `patience` is taken for dead. "" or why there is no connection.
using Dial = std::function<std::string(base::Duration patience, std::unique_ptr<Channel>& out)>;

}  // namespace keelson::follow
