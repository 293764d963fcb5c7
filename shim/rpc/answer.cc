#include "shim/rpc/answer.h"

#include <memory>
#include <utility>

#include "api/base/wire.h"

namespace keelson::rpc {

namespace wire = base::wire;

namespace {
// Up to here a copy is cheaper than a shared slice.
constexpr size_t kCopyLimit = 8 * 1024;
}  // namespace

void append_header(std::string& out, const ServiceContext& context, Revision revision, Term term) {
  char buffer[48];
  char* at = buffer;
  auto put = [&](char tag, uint64_t value) {
    if (value == 0) return;
    *at++ = tag;
    at = wire::put_varint(at, value);
  };
  put(0x08, context.cluster.cluster_id().value());
  put(0x10, context.cluster.local_id().value());
  put(0x18, static_cast<uint64_t>(revision));
  put(0x20, term.value());
  out.push_back(0x0a);
  out.push_back(static_cast<char>(at - buffer));  // at most 44 bytes: one length byte
  out.append(buffer, at);
}

void answer(transport::Call& call, const ServiceContext& context, model::Reply reply) {
  if (reply.error != model::Error::kNone) {
    fail(call, reply.error);
    return;
  }
  base::Payload payload;
  bool copy = reply.body.size() <= kCopyLimit;
  payload.head.reserve(48 + (copy ? reply.body.size() : 0));
  append_header(payload.head, context, reply.revision, reply.term);
  if (copy) {
    payload.head.append(reply.body);
  } else {
    payload.share(std::make_shared<const std::string>(std::move(reply.body)));
  }
  call.send(std::move(payload));
  call.finish({});
}

void answer_bytes(transport::Call& call, std::string message) {
  call.send(base::Payload(std::move(message)));
  call.finish({});
}

void fail(transport::Call& call, model::Error error) {
  call.finish({static_cast<int>(model::code_of(error)), std::string(model::text_of(error))});
}

transport::Status unimplemented(std::string_view path) {
  size_t slash = path.rfind('/');
  std::string method(path.substr(slash + 1));
  std::string service(path.substr(1, slash - 1));
  return {static_cast<int>(model::Code::kUnimplemented),
          "unknown method " + method + " for service " + service};
}

}  // namespace keelson::rpc
