// HTTP/1.1 requests out of a stream of bytes. Source: RFC 9112, strict where leniency lets two
// parsers disagree (RFC 9112 section 11).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "shim/transport/service.h"

namespace keelson::transport {

// Not thread-safe; one request at a time.
class Http1Parser {
 public:
  static constexpr size_t kMaxHeadBytes = 64 * 1024;

  explicit Http1Parser(size_t max_body) : max_body_(max_body) {}

  enum class Step { kNeedMore, kHead, kRequest, kError };
  // Takes bytes off the front of `in` (kNeedMore may leave some; hand them in again with more
  // behind). kHead: the head is in and a body follows; call again. kRequest: `request` is whole.
  // kError: error_status() and error_text() say what to answer; then the connection must close.
  Step next(std::string_view& in);
  // Ready for the next request.
  void reset();

  HttpRequest request;
  bool keep_alive = true;  // the client's wish
  bool expects_continue = false;
  // After an error: the first line was no HTTP at all, so that an answer would not be understood.
  bool not_http() const { return not_http_; }
  bool at_start() const { return state_ == State::kHead; }
  int error_status() const { return error_status_; }
  const std::string& error_text() const { return error_text_; }

 private:
  enum class State { kHead, kBody, kChunkSize, kChunk, kChunkEnd, kTrailers, kDone };

  Step fail(int status, std::string text);
  Step parse_head(std::string_view head);
  bool parse_request_line(std::string_view line);
  bool parse_header(std::string_view line);
  bool apply_headers();
  bool apply_length(std::string_view value);
  Step step_line(std::string_view& in, std::string_view& line, bool& have);
  Step step_chunk_size(std::string_view line);
  void take_body(std::string_view& in);

  const size_t max_body_;
  State state_ = State::kHead;
  bool http11_ = true, chunked_ = false, has_length_ = false;
  uint64_t left_ = 0;  // of the body or the chunk
  bool not_http_ = false;
  size_t trailer_bytes_ = 0;
  int error_status_ = 0;
  std::string error_text_;
};

}  // namespace keelson::transport
