// Any bytes as the request of any method: every call ends once, an answer is a message of its type,
// and bytes are refused as malformed exactly when protobuf refuses them.
//
// The first byte picks the method, with Watch behind all others; the rest is the message.
#include <memory>
#include <string>

#include "api/base/check.h"
#include "api/proto/rpc.pb.h"
#include "shim/rpc/watch_service.h"
#include "tests/support/service_bench.h"

namespace {

using google::protobuf::Message;
using keelson::tests::FakeCall;
using keelson::tests::ServiceBench;

// Prototypes of request and answer of "/package.Service/Method"; null for other packages.
struct Types {
  const Message* request = nullptr;
  const Message* answer = nullptr;
};

Types types_of(std::string path) {
  path.erase(0, 1);
  path.replace(path.find('/'), 1, ".");
  const auto* pool = google::protobuf::DescriptorPool::generated_pool();
  const auto* method = pool->FindMethodByName(path);
  if (method == nullptr) return {};
  auto* factory = google::protobuf::MessageFactory::generated_factory();
  return {factory->GetPrototype(method->input_type()),
          factory->GetPrototype(method->output_type())};
}

bool parses(const Message* type, const std::string& bytes) {
  std::unique_ptr<Message> message(type->New());
  return message->ParseFromString(bytes);
}

void check_answer(FakeCall& call, const Types& types, const std::string& request) {
  keelson::transport::Status status = call.wait();
  KEELSON_CHECK(status.code >= 0 && status.code <= 16, "a call ends with a gRPC code");
  constexpr int kInternal = 13, kUnimplemented = 12;
  if (types.request == nullptr || status.code == kUnimplemented) return;
  bool valid = parses(types.request, request);
  // The wire format of the rare messages is read by a stricter reader; KV and Lease are exact.
  KEELSON_CHECK(status.code == kInternal || valid, "malformed bytes are refused");
  if (status.code != 0) return;
  for (const std::string& message : call.messages()) {
    KEELSON_CHECK(parses(types.answer, message), "an answer is a message of its type");
  }
}

ServiceBench& bench() {
  static std::unique_ptr<ServiceBench> current;
  static int uses = 0;
  // A fresh store now and then, so that what inputs leave behind stays small.
  if (current == nullptr || ++uses % 5000 == 0) current = std::make_unique<ServiceBench>();
  KEELSON_CHECK(current->started(), "the store starts");
  return *current;
}

// The stream of watches has a reader of its own, and a hub behind it that tests/shim/watch drives.
void read_watch(const std::string& message) {
  keelson::rpc::WatchRequest request;
  const bool taken = keelson::rpc::decode(message, request);
  // Our reader is the stricter one: it refuses a field of another wire type than its own.
  KEELSON_CHECK(!taken || etcdserverpb::WatchRequest().ParseFromString(message),
                "malformed bytes are refused");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  ServiceBench& services = bench();
  const auto& methods = services.methods();
  std::string message(reinterpret_cast<const char*>(data) + 1, size - 1);
  const size_t chosen = data[0] % (methods.size() + 1);
  if (chosen == methods.size()) return read_watch(message), 0;
  const keelson::transport::Method& method = methods[chosen];
  Types types = types_of(method.path);
  auto call = std::make_shared<FakeCall>();
  if (method.unary) {
    method.unary(call, message);
    check_answer(*call, types, message);
    KEELSON_CHECK(call->finishes() == 1, "a call ends once");
    return 0;
  }
  auto handler = method.open(call);
  handler->on_message(message);
  handler->on_half_close();
  while (!call->finished() && call->queued_bytes() > 0) {
    call->drain();
    handler->on_writable();
  }
  call->cancel();
  handler->on_end();
  return 0;
}
