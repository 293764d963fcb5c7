// What the hub needs of the world below it; the service implements both over the transport.
#pragma once

#include <cstddef>

#include "api/base/payload.h"
#include "api/model/errors.h"

namespace keelson::watch {

// One client stream on its way out. Calls come from the hub's thread only, in order; none blocks.
// The hub drops its reference after close_stream() or once it called finish().
class StreamSink {
 public:
  virtual ~StreamSink() = default;
  // Queues one WatchResponse. Dropped when the client is gone.
  virtual void send(base::Payload message) = 0;
  // Bytes queued and not yet handed to the socket. Approximate; read once per message.
  virtual size_t queued_bytes() const = 0;
  // A create() is being worked on; its answer is the next message, unless the stream ends first.
  virtual void takes_create() {}
  // Ends the stream with an error (kNone: with success) after everything queued.
  virtual void finish(model::Error error) = 0;
};

// Brackets each turn of the hub's thread, so that the sends of one turn can share wake-ups.
class TurnScope {
 public:
  virtual ~TurnScope() = default;
  virtual void begin() = 0;
  virtual void end() = 0;
};

}  // namespace keelson::watch
