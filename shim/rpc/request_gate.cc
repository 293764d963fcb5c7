#include "shim/rpc/request_gate.h"

#include <algorithm>
#include <utility>

#include "api/base/utf8.h"
#include "shim/rpc/answer.h"

namespace keelson::rpc {

namespace {

class Refused : public transport::StreamHandler {
 public:
  void on_message(std::string) override {}
  void on_half_close() override {}
  void on_writable() override {}
  void on_end() override {}
};

}  // namespace

RequestGate::RequestGate(ServiceContext& context, Kind kind) : context_(context) {
  for (size_t i = 0; i < kVersions.size(); ++i) {
    counters_[i] =
        &context.metrics.counter("etcd_server_client_requests_total", "Requests by client version.",
                                 {{"type", kind == Kind::kUnary ? "unary" : "stream"},
                                  {"client_api_version", std::string(kVersions[i])}});
  }
}

model::Error RequestGate::admit(const transport::Call& call) const {
  std::string_view version = call.header("client-api-version");
  if (!base::is_utf8(version)) return model::Error::kInvalidClientAPIVersion;
  auto known = std::find(kVersions.begin(), kVersions.end(), version);
  size_t index = known == kVersions.end() ? 0 : static_cast<size_t>(known - kVersions.begin());
  counters_[index]->add();
  if (call.header("hasleader") != "true") [[likely]]
    return model::Error::kNone;
  bool leader = context_.store.status().leader != MemberId();
  return leader ? model::Error::kNone : model::Error::kNoLeader;
}

void add_stream(transport::MethodTable& table, ServiceContext& context, transport::Method method,
                OpenFunction open) {
  method.open = [gate = RequestGate(context, RequestGate::Kind::kStream),
                 open = std::move(open)](transport::CallPtr call) {
    model::Error error = gate.admit(*call);
    if (error == model::Error::kNone) return open(std::move(call));
    fail(*call, error);
    return refused_stream();
  };
  table.add(std::move(method));
}

std::unique_ptr<transport::StreamHandler> refused_stream() {
  return std::make_unique<Refused>();
}

}  // namespace keelson::rpc
