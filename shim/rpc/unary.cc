#include "shim/rpc/unary.h"

namespace keelson::rpc {

void add_unary(transport::MethodTable& table, ServiceContext& context, std::string path,
               UnaryFunction run) {
  transport::Method method;
  method.path = std::move(path);
  method.unary = [&context, run](transport::CallPtr call, std::string message) {
    run(context, std::move(call), std::move(message));
  };
  table.add(std::move(method));
}

}  // namespace keelson::rpc
