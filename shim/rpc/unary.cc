#include "shim/rpc/unary.h"

#include "api/base/wire.h"
#include "shim/rpc/request_gate.h"

namespace keelson::rpc {

bool well_formed(std::string_view message) {
  base::wire::Reader reader(message);
  while (reader.next()) {
  }
  return reader.ok();
}

void add_unary(transport::MethodTable& table, ServiceContext& context, std::string path,
               UnaryFunction run) {
  transport::Method method;
  method.path = std::move(path);
  method.unary = [&context, run, gate = RequestGate(context, RequestGate::Kind::kUnary)](
                     transport::CallPtr call, std::string message) {
    model::Error error = gate.admit(*call);
    if (error != model::Error::kNone) [[unlikely]]
      return fail(*call, error);
    run(context, std::move(call), std::move(message));
  };
  table.add(std::move(method));
}

}  // namespace keelson::rpc
