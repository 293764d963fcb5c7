// A plain HTTP request over HTTP/2.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "shim/transport/h2_stream.h"
#include "shim/transport/http_exchange.h"

namespace keelson::transport {

class H2Http final : public H2Stream {
 public:
  H2Http(HttpRequest request, std::shared_ptr<Inbox> inbox, size_t max_body);

  void on_data(std::string_view bytes) override;
  void on_remote_end() override;
  void on_closed() override;
  ssize_t read(size_t length, uint32_t* flags) override;
  void write(size_t length, Gather& gather) override;

 private:
  void answer(HttpResponse response);

  HttpRequest request_;
  const std::shared_ptr<HttpExchange> exchange_;
  const size_t max_body_;
  const bool is_head_;
  bool answered_ = false;
  base::Payload body_;
  size_t at_ = 0;
  size_t held_ = 0;
};

}  // namespace keelson::transport
