// One HTTP/2 stream as its session sees it: a gRPC call or a plain HTTP exchange.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string_view>

#include "shim/transport/gather.h"
#include "shim/transport/service.h"

namespace keelson::transport {

class H2Session;

// All methods run on the io thread.
class H2Stream {
 public:
  virtual ~H2Stream() = default;

  virtual void on_data(std::string_view bytes) = 0;
  virtual void on_remote_end() = 0;
  // The stream is gone; `session` is null from here on. Runs inside session callbacks.
  virtual void on_closed() = 0;
  // At most `length` bytes of body are wanted: answers how many follow and sets nghttp2's data
  // flags, or answers NGHTTP2_ERR_DEFERRED.
  virtual ssize_t read(size_t length, uint32_t* flags) = 0;
  // Hands out `length` bytes, as many as read() promised.
  virtual void write(size_t length, Gather& gather) = 0;
  // Events that may not run inside session callbacks.
  virtual void after_flush() {}
  virtual void end_call(const Status&) {}

  H2Session* session = nullptr;
  int32_t id = 0;

 private:
  friend class H2Session;
  H2Stream* next_ = nullptr;  // the session's streams
  H2Stream* previous_ = nullptr;
  std::shared_ptr<H2Stream> self_;  // while the session knows the stream
};

}  // namespace keelson::transport
