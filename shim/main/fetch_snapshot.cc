#include "shim/main/fetch_snapshot.h"

#include <chrono>
#include <memory>
#include <string_view>

#include "api/base/wire.h"
#include "shim/transport/client_connection.h"

namespace keelson::main {

namespace {

// A server may have to write a whole snapshot before its first byte.
constexpr base::Duration kPatience = std::chrono::minutes(5);

}  // namespace

std::string fetch_snapshot(const std::string& endpoint, const ClientFiles& files,
                           base::File& file) {
  transport::ClientTarget target;
  if (std::string wrong = parse_target(endpoint, files, target); !wrong.empty()) return wrong;
  std::unique_ptr<transport::ClientConnection> connection;
  std::string wrong = transport::ClientConnection::open(target, kPatience, connection);
  if (!wrong.empty()) return wrong;
  uint64_t size = 0;
  base::IoError error;
  const std::string all;  // the request names nothing
  // SnapshotResponse: remaining_bytes 2, blob 3.
  const transport::CallEnd end =
      connection->call("/etcdserverpb.Maintenance/Snapshot", {&all, 1}, [&](std::string_view part) {
        base::wire::Reader reader(part);
        while (reader.next() && error.ok()) {
          if (reader.field() != 3) continue;
          const std::string_view blob = reader.bytes();
          error = file.write_at(size, blob);
          size += blob.size();
        }
        return reader.ok() && error.ok();
      });
  return error.ok() ? end.text : error.text();
}

}  // namespace keelson::main
