#include "backends/postgres/binary.h"

#include "api/base/bytes.h"
#include "api/base/check.h"

namespace keelson::postgres {

namespace {

// Of the types in pg_type.
constexpr uint32_t kBytea = 17, kInt8 = 20, kText = 25;

std::string be64(int64_t v) {
  std::string out(8, '\0');
  base::store_be64(out.data(), static_cast<uint64_t>(v));
  return out;
}

}  // namespace

std::vector<pqxx::binarystring> to_binary(std::span<const sql::Param> params) {
  std::vector<pqxx::binarystring> out;
  out.reserve(params.size());
  for (const sql::Param& param : params) {
    if (const auto* number = std::get_if<int64_t>(&param)) {
      out.emplace_back(be64(*number));
    } else if (const auto* bytes = std::get_if<sql::Bytes>(&param)) {
      out.emplace_back(bytes->view.data(), bytes->view.size());
    } else {
      const auto* text = std::get_if<sql::Text>(&param);
      KEELSON_CHECK(text != nullptr, "no statement takes NULL");
      out.emplace_back(text->view.data(), text->view.size());
    }
  }
  return out;
}

void ArrayParam::append_be32(uint32_t v) {
  for (int shift = 24; shift >= 0; shift -= 8) elements_ += static_cast<char>(v >> shift);
}

void ArrayParam::append_value(std::string_view bytes) {
  append_be32(static_cast<uint32_t>(bytes.size()));
  elements_ += bytes;
}

void ArrayParam::add(const sql::Param& value) {
  ++count_;
  if (const auto* number = std::get_if<int64_t>(&value)) {
    oid_ = kInt8;
    append_value(be64(*number));
  } else if (const auto* bytes = std::get_if<sql::Bytes>(&value)) {
    oid_ = kBytea;
    append_value(bytes->view);
  } else if (const auto* text = std::get_if<sql::Text>(&value)) {
    oid_ = kText;
    append_value(text->view);
  } else {
    nulls_ = true;
    append_be32(UINT32_MAX);
  }
}

std::string_view ArrayParam::type() const {
  return oid_ == kInt8 ? "bigint[]" : oid_ == kText ? "text[]" : "bytea[]";
}

pqxx::binarystring ArrayParam::finish() {
  std::string body = std::move(elements_);
  elements_.clear();
  append_be32(count_ == 0 ? 0 : 1);  // dimensions
  append_be32(nulls_ ? 1 : 0);
  append_be32(oid_ == 0 ? kBytea : oid_);
  if (count_ != 0) {
    append_be32(count_);
    append_be32(1);  // the lower bound
  }
  elements_ += body;
  return pqxx::binarystring(elements_);
}

}  // namespace keelson::postgres
