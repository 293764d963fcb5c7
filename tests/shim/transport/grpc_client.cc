#include "tests/shim/transport/grpc_client.h"

#include <grpcpp/generic/generic_stub.h>

namespace keelson::transport {
namespace {

void pick(const std::multimap<grpc::string_ref, grpc::string_ref>& from,
          std::multimap<std::string, std::string>& to) {
  for (const auto& [name, value] : from)
    if (name.starts_with("told"))
      to.emplace(std::string(name.data(), name.size()), std::string(value.data(), value.size()));
}

std::string flatten(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string out;
  if (!buffer.Dump(&slices).ok()) return out;
  for (const grpc::Slice& slice : slices)
    out.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return out;
}

// Waits for the one operation under way.
bool wait(grpc::CompletionQueue& queue) {
  void* tag = nullptr;
  bool ok = false;
  return queue.Next(&tag, &ok) && ok;
}

}  // namespace

std::string GrpcResult::text() const {
  std::string out = std::to_string(code) + " " + message + " [";
  for (const std::string& reply : replies) out += std::to_string(reply.size()) + " ";
  out += "]";
  for (const auto* map : {&initial, &trailing})
    for (const auto& [name, value] : *map) out += " " + name + "=" + value;
  return out;
}

GrpcClient::GrpcClient(uint16_t port) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  channel_ = grpc::CreateCustomChannel("127.0.0.1:" + std::to_string(port),
                                       grpc::InsecureChannelCredentials(), arguments);
}

GrpcResult GrpcClient::call(const std::string& path, const GrpcCallOptions& options) {
  grpc::GenericStub stub(channel_);
  grpc::ClientContext context;
  for (const auto& [name, value] : options.metadata) context.AddMetadata(name, value);
  context.set_compression_algorithm(options.compression);
  if (options.timeout.count() > 0)
    context.set_deadline(std::chrono::system_clock::now() + options.timeout);
  grpc::CompletionQueue queue;
  GrpcResult result;
  auto call = stub.PrepareCall(&context, path, &queue);
  call->StartCall(nullptr);
  bool alive = wait(queue);
  for (const std::string& message : options.messages) {
    if (!alive) break;
    const grpc::Slice slice(message);
    call->Write(grpc::ByteBuffer(&slice, 1), nullptr);
    alive = wait(queue);
  }
  if (alive) {
    call->WritesDone(nullptr);
    wait(queue);
  }
  grpc::ByteBuffer reply;
  while (true) {
    call->Read(&reply, nullptr);
    if (!wait(queue)) break;
    result.replies.push_back(flatten(reply));
  }
  grpc::Status status;
  call->Finish(&status, nullptr);
  wait(queue);
  result.code = status.error_code();
  result.message = status.error_message();
  pick(context.GetServerInitialMetadata(), result.initial);
  pick(context.GetServerTrailingMetadata(), result.trailing);
  queue.Shutdown();
  while (wait(queue)) continue;
  return result;
}

}  // namespace keelson::transport
