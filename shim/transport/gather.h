// What one turn of the io loop sends on one connection: small pieces copied into one buffer, large
// ones by reference. One object per io thread, used by one connection at a time.
#pragma once

#include <sys/uio.h>

#include <string>
#include <string_view>
#include <vector>

#include "api/base/payload.h"

namespace keelson::transport {

class Gather {
 public:
  // A piece of this size is referenced; a smaller one is cheaper to copy (performance: below 4
  // KiB).
  static constexpr size_t kReferenceBytes = 4096;
  // After this many bytes a write is due.
  static constexpr size_t kBatchBytes = 128 * 1024;

  Gather();
  // Starts anew. With `copy_all` nothing is referenced (TLS encrypts from one buffer).
  void reset(bool copy_all);
  bool full() const { return total_ >= kBatchBytes; }
  bool empty() const { return total_ == 0; }
  size_t total() const { return total_; }

  void append(const void* bytes, size_t size);
  // Bytes that stay where they are until the next reset(), or are owned by something given to
  // keep().
  void append_stable(std::string_view bytes);
  // Keeps the owner of referenced bytes alive until the next reset().
  void keep(base::Payload&& payload) { kept_.push_back(std::move(payload)); }

  // The pieces in order, valid until the next append or reset.
  const std::vector<iovec>& pieces();
  // Everything after the first `skip` bytes, copied to the end of `out`.
  void copy_rest(size_t skip, std::string& out);

 private:
  struct Piece {
    const char* at;  // nullptr: the next `size` bytes of the buffer
    size_t size;
  };
  std::string buffer_;
  std::vector<Piece> list_;
  std::vector<iovec> iovecs_;
  std::vector<base::Payload> kept_;
  size_t total_ = 0;
  bool copy_all_ = false;
};

}  // namespace keelson::transport
