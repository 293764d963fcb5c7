// What the unary methods of all services share.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "api/model/kv_codec.h"
#include "shim/rpc/answer.h"
#include "shim/rpc/context.h"
#include "shim/transport/service.h"

namespace keelson::rpc {

using UnaryFunction = void (*)(ServiceContext&, transport::CallPtr, std::string message);

// Registers `run` for a method of one message in and one out.
void add_unary(transport::MethodTable& table, ServiceContext& context, std::string path,
               UnaryFunction run);

// Whether a message without fields of its own is a protobuf message at all.
bool well_formed(std::string_view message);

// The way of every command: the message becomes the command's storage and its views the body;
// `check` looks at the request's own fields; the store's reply is the answer.
template <class Request, model::Error (*Check)(const Request&, const ServiceContext&)>
void propose(ServiceContext& context, transport::CallPtr call, std::string message) {
  model::Command command;
  command.storage = std::make_unique<std::string>(std::move(message));
  Request& request = command.body.emplace<Request>();
  if (!model::decode(*command.storage, request)) {
    return fail(*call, model::Error::kMalformedRequest);
  }
  if (model::Error error = Check(request, context); error != model::Error::kNone) {
    return fail(*call, error);
  }
  context.store.propose(std::move(command), [&context, call = std::move(call)](model::Reply reply) {
    answer(*call, context, std::move(reply));
  });
}

// For requests whose fields are all checked at apply.
template <class Request>
model::Error no_check(const Request&, const ServiceContext&) {
  return model::Error::kNone;
}

}  // namespace keelson::rpc
