// gRPC C++ as a client of any method, with raw bytes.
#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <map>
#include <string>
#include <vector>

namespace keelson::transport {

struct GrpcCallOptions {
  std::vector<std::string> messages;
  std::map<std::string, std::string> metadata;
  std::chrono::milliseconds timeout{0};  // 0: none is sent
  grpc_compression_algorithm compression = GRPC_COMPRESS_NONE;
};

struct GrpcResult {
  int code = 0;
  std::string message;
  std::vector<std::string> replies;
  std::multimap<std::string, std::string> initial, trailing;  // only names that begin with "told"
  friend bool operator==(const GrpcResult&, const GrpcResult&) = default;
  std::string text() const;
};

// One channel. Calls block.
class GrpcClient {
 public:
  explicit GrpcClient(uint16_t port);
  GrpcResult call(const std::string& path, const GrpcCallOptions& options);

 private:
  std::shared_ptr<grpc::Channel> channel_;
};

}  // namespace keelson::transport
