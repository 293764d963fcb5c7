#include "shim/transport/gather.h"

namespace keelson::transport {

Gather::Gather() {
  buffer_.reserve(kBatchBytes + 64 * 1024);
}

void Gather::reset(bool copy_all) {
  buffer_.clear();
  list_.clear();
  kept_.clear();
  total_ = 0;
  copy_all_ = copy_all;
}

void Gather::append(const void* bytes, size_t size) {
  buffer_.append(static_cast<const char*>(bytes), size);
  total_ += size;
  if (!list_.empty() && list_.back().at == nullptr)
    list_.back().size += size;
  else
    list_.push_back({nullptr, size});
}

void Gather::append_stable(std::string_view bytes) {
  if (copy_all_ || bytes.size() < kReferenceBytes) return append(bytes.data(), bytes.size());
  total_ += bytes.size();
  list_.push_back({bytes.data(), bytes.size()});
}

const std::vector<iovec>& Gather::pieces() {
  iovecs_.clear();
  char* at = buffer_.data();
  for (const Piece& piece : list_) {
    if (piece.at != nullptr) {
      iovecs_.push_back({const_cast<char*>(piece.at), piece.size});
    } else {
      iovecs_.push_back({at, piece.size});
      at += piece.size;
    }
  }
  return iovecs_;
}

void Gather::copy_rest(size_t skip, std::string& out) {
  for (const iovec& piece : pieces()) {
    if (skip >= piece.iov_len) {
      skip -= piece.iov_len;
      continue;
    }
    out.append(static_cast<const char*>(piece.iov_base) + skip, piece.iov_len - skip);
    skip = 0;
  }
}

}  // namespace keelson::transport
