// One gRPC call to another server, from a tool of the command line: a request, a stream of answers.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "shim/transport/client_socket.h"

namespace keelson::transport {

// `method` is "/package.Service/Method". Blocks until the call has ended; `take` is given each
// answer and says false to give up. "" or a sentence: the connection's, or the server's status.
std::string call_server(const ClientTarget& target, const std::string& method,
                        std::string_view request,
                        const std::function<bool(std::string_view message)>& take);

}  // namespace keelson::transport
