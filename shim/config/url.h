// Addresses as flags give them: URLs with etcd's rules. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace keelson::config {

struct Url {
  std::string text;    // as written, without spaces around it
  std::string scheme;  // http, https, unix or unixs
  std::string host;    // without brackets; "" for any address
  std::string port;    // digits; may be empty for unix
  std::string path;    // of unix and unixs: the socket's file

  bool tls() const { return scheme == "https" || scheme == "unixs"; }
  bool socket_file() const { return scheme == "unix" || scheme == "unixs"; }
  friend bool operator==(const Url&, const Url&) = default;
};

// Reads one address: http, https, unix or unixs, with host and port and without a path. Returns ""
// or an error in etcd's words.
std::string parse_url(std::string_view text, Url& out);

// A comma-separated list, sorted and without duplicates, as etcd keeps it.
std::string parse_urls(std::string_view text, std::vector<Url>& out);

// Whether `host` is an IP address of version 4 or 6 (with a zone).
bool is_ip(const std::string& host);

std::vector<std::string> texts_of(const std::vector<Url>& urls);

}  // namespace keelson::config
