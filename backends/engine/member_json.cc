#include "backends/engine/member_json.h"

#include <algorithm>
#include <charconv>
#include <cstdint>

namespace keelson::engine {

namespace {

// One UTF-8 sequence at the front of `text`: its length, or 0 when it is malformed.
size_t utf8_length(std::string_view text, uint32_t& code) {
  auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  uint8_t first = byte(0);
  size_t n = first < 0x80       ? 1
             : first >> 5 == 6  ? 2
             : first >> 4 == 14 ? 3
             : first >> 3 == 30 ? 4
                                : 0;
  if (n == 0 || n > text.size()) return 0;
  code = n == 1 ? first : first & (0x7fu >> n);
  for (size_t i = 1; i < n; ++i) {
    if (byte(i) >> 6 != 2) return 0;
    code = code << 6 | (byte(i) & 0x3fu);
  }
  constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  bool surrogate = code >= 0xd800 && code < 0xe000;
  return code < kLeast[n] || code > 0x10ffff || surrogate ? 0 : n;
}

void append_escaped(std::string& out, uint32_t code) {
  constexpr char kHex[] = "0123456789abcdef";
  out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) out += kHex[code >> shift & 15];
}

// Go escapes <, > and & for HTML, U+2028 and U+2029 for JavaScript, and replaces bad UTF-8.
void append_string(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    uint32_t code = 0;
    size_t n = utf8_length(text, code);
    if (n == 0) {
      out += "\\ufffd";
      n = 1;
    } else if (code == '"' || code == '\\') {
      out += '\\';
      out += static_cast<char>(code);
    } else if (code == '\n' || code == '\r' || code == '\t' || code == '\b' || code == '\f') {
      out += '\\';
      out += code == '\n'   ? 'n'
             : code == '\r' ? 'r'
             : code == '\t' ? 't'
             : code == '\b' ? 'b'
                            : 'f';
    } else if (code < 0x20 || code == '<' || code == '>' || code == '&' || code == 0x2028 ||
               code == 0x2029) {
      append_escaped(out, code);
    } else {
      out.append(text.substr(0, n));
    }
    text.remove_prefix(n);
  }
  out += '"';
}

void append_strings(std::string& out, const std::vector<std::string>& list) {
  out += '[';
  for (size_t i = 0; i < list.size(); ++i) {
    if (i > 0) out += ',';
    append_string(out, list[i]);
  }
  out += ']';
}

void append_utf8(std::string& out, uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xc0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xe0 | code >> 12);
    out += static_cast<char>(0x80 | (code >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | code >> 18);
    out += static_cast<char>(0x80 | (code >> 12 & 0x3f));
    out += static_cast<char>(0x80 | (code >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  }
}

// A strict reader of one flat object: strings, lists of strings, unsigned integers, booleans, null.
class Parser {
 public:
  explicit Parser(std::string_view text) : at_(text) {}

  bool failed() const { return failed_; }
  // Opens the object, or goes on to its next member; false at its end. `name` is the member's.
  bool member(std::string& name) {
    if (failed_) return false;
    if (!open_) {
      open_ = true;
      if (!expect('{')) return false;
      if (take('}')) return end();
    } else {
      if (take('}')) return end();
      if (!expect(',')) return false;
    }
    return string(name) && expect(':');
  }
  bool string(std::string& out) {
    out.clear();
    if (!expect('"')) return false;
    while (!at_.empty()) {
      char c = at_.front();
      if (c != '"' && c != '\\') {
        if (!plain(out)) return fail();
        continue;
      }
      at_.remove_prefix(1);
      if (c == '"') return true;
      if (!escape(out)) return fail();
    }
    return fail();
  }
  bool strings(std::vector<std::string>& out) {
    out.clear();
    if (word("null")) return true;
    if (!expect('[')) return false;
    if (take(']')) return true;
    do {
      if (!string(out.emplace_back())) return false;
    } while (take(','));
    return expect(']');
  }
  bool number(uint64_t& out) {
    space();
    auto [end, error] = std::from_chars(at_.data(), at_.data() + at_.size(), out);
    if (error != std::errc()) return fail();
    at_.remove_prefix(static_cast<size_t>(end - at_.data()));
    return true;
  }
  bool boolean(bool& out) {
    out = word("true");
    return out || word("false") || fail();
  }
  bool fail() {
    failed_ = true;
    return false;
  }

 private:
  bool end() {
    space();
    if (!at_.empty()) failed_ = true;
    return false;
  }
  void space() {
    while (!at_.empty() && (at_.front() == ' ' || at_.front() == '\n' || at_.front() == '\t' ||
                            at_.front() == '\r')) {
      at_.remove_prefix(1);
    }
  }
  bool take(char c) {
    space();
    if (at_.empty() || at_.front() != c) return false;
    at_.remove_prefix(1);
    return true;
  }
  bool expect(char c) { return take(c) || fail(); }
  bool word(std::string_view w) {
    space();
    if (at_.substr(0, w.size()) != w) return false;
    at_.remove_prefix(w.size());
    return true;
  }
  bool hex4(uint32_t& code) {
    if (at_.size() < 4) return false;
    auto [end, error] = std::from_chars(at_.data(), at_.data() + 4, code, 16);
    if (error != std::errc() || end != at_.data() + 4) return false;
    at_.remove_prefix(4);
    return true;
  }
  // One character as it stands. As Go's reader, a byte that is no UTF-8 becomes U+FFFD: kept as it
  // is, the row would change when it is written and read again.
  bool plain(std::string& out) {
    if (static_cast<unsigned char>(at_.front()) < 0x20) return false;
    uint32_t code = 0;
    size_t n = utf8_length(at_, code);
    if (n == 0) {
      append_utf8(out, 0xfffd);
    } else {
      out += at_.substr(0, n);
    }
    at_.remove_prefix(std::max<size_t>(n, 1));
    return true;
  }
  bool escape(std::string& out) {
    if (at_.empty()) return false;
    char c = at_.front();
    at_.remove_prefix(1);
    constexpr std::string_view kFrom = "\"\\/bfnrt";
    constexpr std::string_view kTo = "\"\\/\b\f\n\r\t";
    if (size_t i = kFrom.find(c); i != std::string_view::npos) {
      out += kTo[i];
      return true;
    }
    uint32_t code = 0;
    if (c != 'u' || !hex4(code)) return false;
    if (code >= 0xd800 && code < 0xdc00) {
      uint32_t low = 0;
      if (at_.substr(0, 2) != "\\u") return false;
      at_.remove_prefix(2);
      if (!hex4(low) || low < 0xdc00 || low >= 0xe000) return false;
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    append_utf8(out, code);
    return true;
  }

  std::string_view at_;
  bool open_ = false;
  bool failed_ = false;
};

}  // namespace

std::string member_to_json(const model::Member& member) {
  std::string out = "{\"id\":" + std::to_string(member.id.value()) + ",\"peerURLs\":";
  append_strings(out, member.peer_urls);
  if (member.is_learner) out += ",\"isLearner\":true";
  if (!member.name.empty()) {
    out += ",\"name\":";
    append_string(out, member.name);
  }
  if (!member.client_urls.empty()) {
    out += ",\"clientURLs\":";
    append_strings(out, member.client_urls);
  }
  return out + "}";
}

bool member_from_json(std::string_view json, model::Member& out) {
  out = {};
  Parser parser(json);
  std::string name;
  while (parser.member(name)) {
    uint64_t id = 0;
    if (name == "id") {
      if (parser.number(id)) out.id = MemberId(id);
    } else if (name == "peerURLs") {
      parser.strings(out.peer_urls);
    } else if (name == "isLearner") {
      parser.boolean(out.is_learner);
    } else if (name == "name") {
      parser.string(out.name);
    } else if (name == "clientURLs") {
      parser.strings(out.client_urls);
    } else {
      parser.fail();
    }
  }
  return !parser.failed();
}

std::string downgrade_to_json(bool enabled, std::string_view target) {
  std::string out = "{\"target-version\":";
  append_string(out, target);
  out += enabled ? ",\"enabled\":true}" : ",\"enabled\":false}";
  return out;
}

bool downgrade_from_json(std::string_view json, bool& enabled, std::string& target) {
  Parser parser(json);
  std::string name;
  while (parser.member(name)) {
    if (name == "target-version") {
      parser.string(target);
    } else if (name == "enabled") {
      parser.boolean(enabled);
    } else {
      parser.fail();
    }
  }
  return !parser.failed();
}

}  // namespace keelson::engine
