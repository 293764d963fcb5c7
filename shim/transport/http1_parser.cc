#include "shim/transport/http1_parser.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "shim/transport/http_exchange.h"

namespace keelson::transport {
namespace {

constexpr size_t kMaxLine = 8 * 1024;  // of a chunk size or trailer

bool is_token(std::string_view text) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || kMarks.find(c) != kMarks.npos;
  });
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

// Is `word` in the comma-separated list?
bool lists(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    const size_t comma = list.find(',');
    if (lower(trim(list.substr(0, comma))) == word) return true;
    if (comma == list.npos) break;
    list.remove_prefix(comma + 1);
  }
  return false;
}

std::string_view cut_line(std::string_view text, size_t newline) {
  std::string_view line = text.substr(0, newline);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

}  // namespace

void Http1Parser::reset() {
  request = {};
  keep_alive = true;
  expects_continue = chunked_ = has_length_ = false;
  http11_ = true;
  left_ = 0;
  trailer_bytes_ = 0;
  state_ = State::kHead;
}

Http1Parser::Step Http1Parser::fail(int status, std::string text) {
  error_status_ = status;
  error_text_ = std::move(text);
  keep_alive = false;
  return Step::kError;
}

bool Http1Parser::parse_request_line(std::string_view line) {
  const size_t first = line.find(' '), last = line.rfind(' ');
  not_http_ = line.find(" HTTP/") == line.npos;
  if (first == line.npos || first == last) return fail(400, "malformed request line"), false;
  const std::string_view method = line.substr(0, first), version = line.substr(last + 1);
  std::string_view target = line.substr(first + 1, last - first - 1);
  if (!is_token(method)) return fail(400, "malformed method"), false;
  if (version != "HTTP/1.1" && version != "HTTP/1.0") {
    if (version.starts_with("HTTP/")) return fail(505, "unsupported protocol version"), false;
    return fail(400, "malformed protocol version"), false;
  }
  http11_ = version == "HTTP/1.1";
  if (target.empty() || target.find_first_of(" \t") != target.npos)
    return fail(400, "malformed request target"), false;
  for (std::string_view scheme : {"http://", "https://"})
    if (lower(target.substr(0, scheme.size())) == scheme) {
      const size_t slash = target.find('/', scheme.size());
      target = slash == target.npos ? std::string_view("/") : target.substr(slash);
    }
  request.method.assign(method);
  split_target(target, request);
  return true;
}

bool Http1Parser::parse_header(std::string_view line) {
  const size_t colon = line.find(':');
  if (colon == line.npos || !is_token(line.substr(0, colon)))
    return fail(400, "malformed header"), false;
  const std::string_view value = trim(line.substr(colon + 1));
  for (char c : value)
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f)
      return fail(400, "malformed header value"), false;
  request.headers.emplace_back(lower(line.substr(0, colon)), value);
  return true;
}

bool Http1Parser::apply_length(std::string_view value) {
  if (value.empty() || value.size() > 18 ||
      !std::all_of(value.begin(), value.end(), [](char c) { return c >= '0' && c <= '9'; }))
    return fail(400, "bad Content-Length"), false;
  const uint64_t length = std::stoull(std::string(value));
  if (has_length_ && length != left_) return fail(400, "conflicting Content-Length"), false;
  has_length_ = true;
  left_ = length;
  return true;
}

bool Http1Parser::apply_headers() {
  int hosts = 0;
  keep_alive = http11_;
  for (const auto& [name, value] : request.headers) {
    if (name == "host") {
      ++hosts;
    } else if (name == "content-length") {
      if (!apply_length(value)) return false;
    } else if (name == "transfer-encoding") {
      if (chunked_ || lower(value) != "chunked")
        return fail(501, "unsupported transfer encoding"), false;
      chunked_ = true;
    } else if (name == "connection") {
      if (lists(value, "close")) keep_alive = false;
      if (!http11_ && lists(value, "keep-alive")) keep_alive = true;
    } else if (name == "expect") {
      if (lower(value) != "100-continue") return fail(417, "unknown expectation"), false;
      expects_continue = http11_;
    }
  }
  if (hosts > 1 || (hosts == 0 && http11_)) return fail(400, "one Host header is required"), false;
  // Two statements about the length are how requests are smuggled.
  if (chunked_ && (has_length_ || !http11_)) return fail(400, "ambiguous body length"), false;
  if (left_ > max_body_) return fail(413, "body too large"), false;
  return true;
}

Http1Parser::Step Http1Parser::parse_head(std::string_view head) {
  size_t newline = head.find('\n');
  if (!parse_request_line(cut_line(head, newline))) return Step::kError;
  head.remove_prefix(newline + 1);
  while ((newline = head.find('\n')) != head.npos) {
    const std::string_view line = cut_line(head, newline);
    head.remove_prefix(newline + 1);
    if (line.empty()) break;
    if (!parse_header(line)) return Step::kError;
  }
  if (!apply_headers()) return Step::kError;
  state_ = chunked_ ? State::kChunkSize : left_ > 0 ? State::kBody : State::kDone;
  return state_ == State::kDone ? Step::kRequest : Step::kHead;
}

void Http1Parser::take_body(std::string_view& in) {
  const size_t n = static_cast<size_t>(std::min<uint64_t>(left_, in.size()));
  request.body.append(in.substr(0, n));
  in.remove_prefix(n);
  left_ -= n;
}

// One line of chunk framing; `have` is false when it is not complete yet.
Http1Parser::Step Http1Parser::step_line(std::string_view& in, std::string_view& line, bool& have) {
  const size_t newline = in.substr(0, kMaxLine).find('\n');
  have = newline != in.npos;
  if (!have) return in.size() >= kMaxLine ? fail(400, "line too long") : Step::kNeedMore;
  line = cut_line(in, newline);
  in.remove_prefix(newline + 1);
  return Step::kNeedMore;
}

Http1Parser::Step Http1Parser::step_chunk_size(std::string_view line) {
  line = trim(line.substr(0, line.find(';')));
  if (line.empty() || line.size() > 15) return fail(400, "bad chunk size");
  left_ = 0;
  for (char c : line) {
    if (!std::isxdigit(static_cast<unsigned char>(c))) return fail(400, "bad chunk size");
    left_ = left_ * 16 + static_cast<uint64_t>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
  }
  if (left_ + request.body.size() > max_body_) return fail(413, "body too large");
  state_ = left_ == 0 ? State::kTrailers : State::kChunk;
  return Step::kNeedMore;
}

Http1Parser::Step Http1Parser::next(std::string_view& in) {
  if (state_ == State::kHead) {
    while (in.starts_with("\r\n")) in.remove_prefix(2);  // RFC 9112 2.2
    size_t end = in.find("\n\r\n"), skip = 3;
    if (const size_t bare = in.find("\n\n"); bare < end) end = bare, skip = 2;
    if (std::min(end, in.size()) > kMaxHeadBytes) return fail(431, "headers too large");
    if (end == in.npos) return Step::kNeedMore;
    const std::string_view head = in.substr(0, end + skip);
    in.remove_prefix(head.size());
    return parse_head(head);
  }
  while (state_ != State::kDone) {
    std::string_view line;
    bool have = true;
    if (state_ == State::kBody || state_ == State::kChunk) {
      take_body(in);
      if (left_ > 0) return Step::kNeedMore;
      state_ = state_ == State::kBody ? State::kDone : State::kChunkEnd;
      continue;
    }
    const Step step = step_line(in, line, have);
    if (!have) return step;
    if (state_ == State::kChunkSize) {
      if (step_chunk_size(line) == Step::kError) return Step::kError;
    } else if (state_ == State::kChunkEnd) {
      if (!line.empty()) return fail(400, "malformed chunk");
      state_ = State::kChunkSize;
    } else {
      trailer_bytes_ += line.size();
      if (trailer_bytes_ > kMaxHeadBytes) return fail(431, "trailers too large");
      if (line.empty()) state_ = State::kDone;
    }
  }
  return Step::kRequest;
}

}  // namespace keelson::transport
