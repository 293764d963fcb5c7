#include "tests/support/grpc_front_end.h"

#include <string>
#include <utility>
#include <vector>

#include "tests/support/grpc_mount.h"

namespace keelson::tests {

namespace {
// A mount serves from its construction, so the addresses are kept until start().
class GrpcFrontEnd : public transport::Server {
 public:
  GrpcFrontEnd(const transport::MethodTable& methods, base::Clock& clock)
      : methods_(methods), clock_(clock) {}

  std::string listen(const transport::Listen& listen, const transport::TlsOptions&) override {
    if (listen.tls || !listen.unix_path.empty())
      return "the gRPC front end serves plaintext TCP only";
    std::string host = listen.host.empty() ? "0.0.0.0" : listen.host;
    addresses_.push_back(host + ":" + std::to_string(listen.port));
    ports_.push_back(listen.port);
    return "";
  }
  std::vector<uint16_t> ports() const override { return ports_; }
  void start() override {
    for (const std::string& address : addresses_) {
      GrpcMountOptions options;
      options.address = address;
      mounts_.push_back(GrpcMount::start(methods_, clock_, std::move(options)));
    }
  }
  void drain(base::Duration) override { mounts_.clear(); }

 private:
  const transport::MethodTable& methods_;
  base::Clock& clock_;
  std::vector<std::string> addresses_;
  std::vector<uint16_t> ports_;
  std::vector<std::unique_ptr<GrpcMount>> mounts_;
};
}  // namespace

std::unique_ptr<transport::Server> make_grpc_front_end(const transport::MethodTable& methods,
                                                       base::Clock& clock) {
  return std::make_unique<GrpcFrontEnd>(methods, clock);
}

}  // namespace keelson::tests
