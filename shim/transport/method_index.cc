#include "shim/transport/method_index.h"

#include "api/base/check.h"
#include "shim/transport/grpc_wire.h"

namespace keelson::transport {
namespace {

constexpr std::string_view kCodeNames[MethodEntry::kCodes] = {
    "OK",       "Canceled",       "Unknown",          "InvalidArgument",   "DeadlineExceeded",
    "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
    "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
    "DataLoss", "Unauthenticated"};

std::string_view type_label(const Method& method) {
  if (method.client_streaming) return method.server_streaming ? "bidi_stream" : "client_stream";
  return method.server_streaming ? "server_stream" : "unary";
}

}  // namespace

MethodIndex::MethodIndex(const MethodTable& methods, base::Registry& metrics, bool timed)
    : received_bytes_(metrics.counter("etcd_network_client_grpc_received_bytes_total",
                                      "The total number of bytes received from grpc clients.")),
      sent_bytes_(metrics.counter("etcd_network_client_grpc_sent_bytes_total",
                                  "The total number of bytes sent to grpc clients.")) {
  for (const Method& method : methods.methods()) add(method, metrics, timed);
}

void MethodIndex::add(const Method& method, base::Registry& metrics, bool timed) {
  const size_t slash = method.path.rfind('/');
  KEELSON_CHECK(method.path.starts_with('/') && slash > 0, "a method's path is /service/method");
  KEELSON_CHECK((method.unary == nullptr) != (method.open == nullptr), "one handler per method");
  KEELSON_CHECK(!(method.unary && method.client_streaming), "a client stream needs open");
  std::string service = method.path.substr(1, slash - 1);
  const base::Labels labels = {{"grpc_method", method.path.substr(slash + 1)},
                               {"grpc_service", service},
                               {"grpc_type", std::string(type_label(method))}};
  MethodEntry entry;
  entry.method = &method;
  entry.plain_unary = !method.client_streaming && !method.server_streaming;
  entry.started = &metrics.counter("grpc_server_started_total",
                                   "Total number of RPCs started on the server.", labels);
  entry.received =
      &metrics.counter("grpc_server_msg_received_total",
                       "Total number of RPC stream messages received on the server.", labels);
  entry.sent = &metrics.counter("grpc_server_msg_sent_total",
                                "Total number of gRPC stream messages sent by the server.", labels);
  for (size_t code = 0; code < entry.handled.size(); ++code) {
    base::Labels with_code = labels;
    with_code.insert(with_code.begin(), {"grpc_code", std::string(kCodeNames[code])});
    entry.handled[code] = &metrics.counter(
        "grpc_server_handled_total",
        "Total number of RPCs completed on the server, regardless of success or failure.",
        std::move(with_code));
  }
  if (timed) {
    entry.seconds = &metrics.histogram("grpc_server_handling_seconds",
                                       "Seconds from the start of a call to its end.",
                                       {.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}, labels);
  }
  services_.insert(std::move(service));
  const bool is_new = by_path_.emplace(method.path, entry).second;
  KEELSON_CHECK(is_new, "a method is served once");
}

Status MethodIndex::unknown(std::string_view path) const {
  const size_t slash = path.rfind('/');
  if (!path.starts_with('/') || slash == 0)
    return {kUnimplemented, "malformed method name: " + go_quote(path)};
  const std::string service(path.substr(1, slash - 1));
  if (!services_.contains(service)) return {kUnimplemented, "unknown service " + service};
  return {kUnimplemented,
          "unknown method " + std::string(path.substr(slash + 1)) + " for service " + service};
}

}  // namespace keelson::transport
