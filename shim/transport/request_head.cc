#include "shim/transport/request_head.h"

#include "shim/transport/grpc_wire.h"

namespace keelson::transport {

void RequestHead::reset() {
  method.clear();
  path.clear();
  authority.clear();
  content_type.clear();
  timeout.clear();
  encoding.clear();
  raw_.clear();
  has_timeout = false;
  connection_header = false;
  hosts = 0;
  bytes_ = 0;
}

void RequestHead::add_pseudo(std::string_view name, std::string_view value) {
  if (name == ":path") {
    path.assign(value);
  } else if (name == ":method") {
    method.assign(value);
  } else if (name == ":authority") {
    authority.assign(value);
    ++hosts;
  }
}

bool RequestHead::add_grpc(std::string_view name, std::string_view value) {
  if (name == "grpc-timeout") {
    timeout.assign(value);
    has_timeout = true;
    return true;
  }
  if (name == "grpc-encoding") {
    encoding.assign(value);
    return true;
  }
  return name == "grpc-message-type" || name == "grpc-message" || name == "grpc-status";
}

void RequestHead::add(std::string_view name, std::string_view value) {
  bytes_ += name.size() + value.size() + 32;
  if (too_large()) return;
  switch (name[0]) {
    case ':':
      return add_pseudo(name, value);
    case 'g':
      if (name.starts_with("grpc-") && add_grpc(name, value)) return;
      break;
    case 't':
      if (name == "te") return;
      break;
    case 'c':
      if (name == "content-type") content_type.assign(value);
      if (name == "connection") connection_header = true;
      break;
    case 'h':
      if (name == "host") {
        ++hosts;
        if (authority.empty()) authority.assign(value);
        return;
      }
      break;
    default:
      break;
  }
  raw_.append(name);
  raw_.push_back('\0');
  raw_.append(value);
  raw_.push_back('\0');
}

bool RequestHead::metadata(Metadata& out, std::string& error) const {
  std::string_view rest = raw_;
  while (!rest.empty()) {
    const size_t name_end = rest.find('\0');
    const size_t value_end = rest.find('\0', name_end + 1);
    const std::string_view name = rest.substr(0, name_end);
    const std::string_view value = rest.substr(name_end + 1, value_end - name_end - 1);
    rest.remove_prefix(value_end + 1);
    if (!name.ends_with("-bin")) {
      out.emplace_back(name, value);
      continue;
    }
    std::optional<std::string> decoded = base64_decode(value);
    if (!decoded) {
      error = "malformed binary metadata " + go_quote(value) + " in header " + go_quote(name) +
              ": illegal base64 data";
      return false;
    }
    out.emplace_back(name, std::move(*decoded));
  }
  return true;
}

}  // namespace keelson::transport
