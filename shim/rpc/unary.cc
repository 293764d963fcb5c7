#include "shim/rpc/unary.h"

#include "api/base/utf8.h"
#include "api/base/wire.h"

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
  method.unary = [&context, run](transport::CallPtr call, std::string message) {
    // etcd counts requests by their client's version and refuses one that is no text.
    if (!base::is_utf8(call->header("client-api-version"))) {
      return fail(*call, model::Error::kInvalidClientAPIVersion);
    }
    run(context, std::move(call), std::move(message));
  };
  table.add(std::move(method));
}

}  // namespace keelson::rpc
