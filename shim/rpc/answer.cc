#include "shim/rpc/answer.h"

#include <array>
#include <memory>
#include <utility>

#include "api/base/wire.h"

namespace keelson::rpc {

namespace wire = base::wire;

namespace {
// Up to here moving the body up behind the header is cheaper than a shared slice.
constexpr size_t kMoveLimit = 8 * 1024;
}  // namespace

namespace {
using HeaderBytes = std::array<char, model::Reply::kHeaderRoom>;

// The response header as field 1 of every answer.
std::string_view write_header(HeaderBytes& buffer, const ServiceContext& context, Revision revision,
                              Term term) {
  char* at = buffer.data() + 2;
  auto put = [&](char tag, uint64_t value) {
    if (value == 0) return;
    *at++ = tag;
    at = wire::put_varint(at, value);
  };
  put(0x08, context.cluster.cluster_id().value());
  put(0x10, context.cluster.local_id().value());
  put(0x18, static_cast<uint64_t>(revision));
  put(0x20, term.value());
  buffer[0] = 0x0a;
  buffer[1] = static_cast<char>(at - buffer.data() - 2);  // at most 44 bytes: one length byte
  return {buffer.data(), static_cast<size_t>(at - buffer.data())};
}
}  // namespace

void append_header(std::string& out, const ServiceContext& context, Revision revision, Term term) {
  HeaderBytes buffer;
  out.append(write_header(buffer, context, revision, term));
}

void answer(transport::Call& call, const ServiceContext& context, model::Reply reply) {
  if (reply.error != model::Error::kNone) {
    fail(call, reply.error);
    return;
  }
  HeaderBytes buffer;
  const std::string_view header = write_header(buffer, context, reply.revision, reply.term);
  base::Payload payload;
  if (reply.body.size() <= kMoveLimit) {
    payload.head = std::move(reply.body);
    payload.head.insert(0, header);
  } else {
    payload.head = header;
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
