#include "shim/config/url.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cctype>

#include "shim/config/text.h"

namespace keelson::config {

namespace {

std::string parse_error(std::string_view text, std::string_view why) {
  return "parse " + quoted(text) + ": " + std::string(why);
}

// Cuts the scheme off. False with `why` set when what stands there can be none.
bool take_scheme(std::string_view& rest, std::string& scheme, std::string& why) {
  for (size_t i = 0; i < rest.size(); ++i) {
    char c = rest[i];
    if (std::isalpha(static_cast<unsigned char>(c))) continue;
    if (std::isdigit(static_cast<unsigned char>(c)) || c == '+' || c == '-' || c == '.') {
      if (i == 0) return true;
      continue;
    }
    if (c != ':') return true;
    if (i == 0) {
      why = "missing protocol scheme";
      return false;
    }
    scheme = rest.substr(0, i);
    for (char& letter : scheme) letter = static_cast<char>(std::tolower(letter));
    rest.remove_prefix(i + 1);
    return true;
  }
  return true;
}

// The part between "//" and the path, as Go's net/url checks it.
std::string check_authority(std::string_view authority) {
  for (char c : authority) {
    if (std::string_view(" \"<>\\^`{|}").find(c) != std::string_view::npos) {
      return "invalid character " + quoted(std::string_view(&c, 1)) + " in host name";
    }
  }
  std::string_view port;
  if (!authority.empty() && authority[0] == '[') {
    size_t close = authority.rfind(']');
    if (close == std::string_view::npos) return "missing ']' in host";
    port = authority.substr(close + 1);
  } else if (size_t colon = authority.find(':'); colon != std::string_view::npos) {
    port = authority.substr(colon);
  }
  bool valid =
      port.empty() || (port[0] == ':' && std::all_of(port.begin() + 1, port.end(), [](char c) {
                         return std::isdigit(static_cast<unsigned char>(c));
                       }));
  return valid ? "" : "invalid port " + quoted(port) + " after host";
}

// "host:port" or "[host]:port"; false when there is no port.
bool split_host_port(std::string_view authority, Url& out) {
  size_t colon = authority.rfind(':');
  if (colon == std::string_view::npos) return false;
  std::string_view host = authority.substr(0, colon);
  if (!host.empty() && host.front() == '[') {
    if (host.back() != ']') return false;
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return false;
  }
  out.host = host;
  out.port = authority.substr(colon + 1);
  return true;
}

}  // namespace

std::string parse_url(std::string_view input, Url& out) {
  std::string_view text = trimmed(input);
  out = Url{};
  out.text = text;
  for (unsigned char c : text) {
    if (c < 0x20 || c == 0x7f) {
      return parse_error(text, "net/url: invalid control character in URL");
    }
  }
  std::string_view rest = text;
  std::string why;
  if (!take_scheme(rest, out.scheme, why)) return parse_error(text, why);
  bool has_authority = rest.starts_with("//");
  if (out.scheme.empty() && !has_authority) {
    size_t colon = rest.find(':');
    if (colon != std::string_view::npos && rest.find('/') > colon) {
      return parse_error(text, "first path segment in URL cannot contain colon");
    }
  }
  std::string_view authority, path;
  if (has_authority) {
    rest.remove_prefix(2);
    size_t end = rest.find_first_of("/?#");
    authority = rest.substr(0, end);
    if (end != std::string_view::npos) path = rest.substr(end);
    why = check_authority(authority);
    if (!why.empty()) return parse_error(text, why);
  }
  path = path.substr(0, path.find_first_of("?#"));
  if (out.scheme == "unix" || out.scheme == "unixs") {
    out.path = std::string(authority) + std::string(path);
    return out.path.empty() ? "missing path of the socket: " + out.text : "";
  }
  if (out.scheme != "http" && out.scheme != "https") {
    return "URL scheme must be http, https, unix, or unixs: " + out.text;
  }
  if (!split_host_port(authority, out)) {
    return "URL address does not have the form \"host:port\": " + out.text;
  }
  return path.empty() ? "" : "URL must not contain a path: " + out.text;
}

std::string parse_urls(std::string_view text, std::vector<Url>& out) {
  out.clear();
  for (std::string_view piece : split(text, ',')) {
    Url url;
    std::string error = parse_url(piece, url);
    if (!error.empty()) return error;
    out.push_back(std::move(url));
  }
  auto by_text = [](const Url& a, const Url& b) { return a.text < b.text; };
  std::sort(out.begin(), out.end(), by_text);
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return "";
}

bool is_ip(const std::string& host) {
  unsigned char address[16];
  return inet_pton(AF_INET, host.c_str(), address) == 1 ||
         inet_pton(AF_INET6, host.substr(0, host.find('%')).c_str(), address) == 1;
}

std::vector<std::string> texts_of(const std::vector<Url>& urls) {
  std::vector<std::string> out;
  for (const Url& url : urls) out.push_back(url.text);
  return out;
}

}  // namespace keelson::config
