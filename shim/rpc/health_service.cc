#include "shim/rpc/health_service.h"

#include <memory>
#include <string>
#include <utility>

#include "api/base/utf8.h"
#include "api/base/wire.h"
#include "shim/rpc/answer.h"
#include "shim/rpc/request_gate.h"
#include "shim/rpc/unary.h"

namespace keelson::rpc {

namespace {
using model::Error;
using transport::CallPtr;
namespace wire = base::wire;

constexpr uint64_t kServing = 1, kServiceUnknown = 3;

// HealthCheckResponse{status 1}.
std::string response(uint64_t status) {
  std::string out;
  wire::append_uint(out, 1, status);
  return out;
}

// HealthCheckRequest{service 1}. The error of a field that is no text has its own words.
Error decode(std::string_view message, std::string& service) {
  wire::Reader reader(message);
  bool text = true;
  while (reader.next()) {
    if (reader.field() != 1) continue;
    service = std::string(reader.bytes());
    text = text && base::is_utf8(service);
  }
  if (!reader.ok()) return Error::kMalformedRequest;
  return text ? Error::kNone : Error::kRequestNotUtf8;
}

void check(ServiceContext&, CallPtr call, std::string message) {
  std::string service;
  if (Error error = decode(message, service); error != Error::kNone) return fail(*call, error);
  if (!service.empty()) return fail(*call, Error::kHealthUnknownService);
  answer_bytes(*call, response(kServing));
}

// HealthListResponse{statuses 1: map entry {key 1, value 2}}.
void list(ServiceContext&, CallPtr call, std::string message) {
  if (!well_formed(message)) return fail(*call, Error::kMalformedRequest);
  std::string entry, out;
  wire::append_message(entry, 1, "");
  wire::append_message(entry, 2, response(kServing));
  wire::append_message(out, 1, entry);
  answer_bytes(*call, std::move(out));
}

// Tells the status once and then stays silent: it changes only when the server ends, and the stream
// with it. The method has one request; were more of them answered, a client that does not read
// could make the server keep as many answers.
class Watch : public transport::StreamHandler {
 public:
  explicit Watch(CallPtr call) : call_(std::move(call)) {}
  void on_message(std::string message) override {
    if (std::exchange(asked_, true)) return;
    std::string service;
    switch (decode(message, service)) {
      case Error::kNone:
        break;
      case Error::kRequestNotUtf8:
        return fail(*call_, Error::kMessageNotUtf8);
      default:
        return fail(*call_, Error::kMalformedMessage);
    }
    call_->send(base::Payload(response(service.empty() ? kServing : kServiceUnknown)));
  }
  void on_half_close() override {
    if (!asked_) fail(*call_, Error::kNoRequestMessage);
  }
  void on_writable() override {}
  void on_end() override {}

 private:
  CallPtr call_;
  bool asked_ = false;
};
}  // namespace

void add_health_methods(transport::MethodTable& table, ServiceContext& context) {
  add_unary(table, context, "/grpc.health.v1.Health/Check", check);
  add_unary(table, context, "/grpc.health.v1.Health/List", list);
  transport::Method method;
  method.path = "/grpc.health.v1.Health/Watch";
  method.server_streaming = true;
  add_stream(table, context, std::move(method),
             [](CallPtr call) { return std::make_unique<Watch>(std::move(call)); });
}

}  // namespace keelson::rpc
