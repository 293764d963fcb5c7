// The decoder by hand against the generated classes: on random messages, on messages glued
// together, and on mutated bytes, malformed ones included.
#include "api/model/kv_codec.h"

#include <google/protobuf/io/coded_stream.h>
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "api/base/bytes.h"
#include "api/model/message_fields.h"
#include "api/proto/rpc.pb.h"
#include "tests/api/model/same.h"
#include "tests/support/seed.h"

namespace keelson::model {
namespace {

// Random messages of the wire contract, filled through protobuf's own reflection, so that every
// field of every request takes part without being named here.
class Filler {
 public:
  explicit Filler(std::mt19937_64& random) : random_(random) {}

  void fill(google::protobuf::Message& message, int depth) {
    const auto* descriptor = message.GetDescriptor();
    for (int i = 0; i < descriptor->field_count(); ++i) {
      const auto* field = descriptor->field(i);
      if (below(3) == 0) continue;
      int count = field->is_repeated() ? static_cast<int>(below(4)) : 1;
      for (int n = 0; n < count; ++n) set(message, field, depth);
    }
  }

  std::string text() {
    static constexpr size_t kSizes[] = {0, 1, 3, 20, 127, 128, 300, 20000};
    std::string out(kSizes[below(below(20) == 0 ? 8 : 6)], '\0');
    for (char& c : out) c = static_cast<char>(random_());
    return out;
  }
  uint64_t below(uint64_t bound) { return random_() % bound; }

 private:
  using Field = google::protobuf::FieldDescriptor;

  int64_t number() {
    switch (below(5)) {
      case 0:
        return 0;
      case 1:
        return static_cast<int64_t>(below(300));
      case 2:
        return -static_cast<int64_t>(below(300));
      case 3:
        return INT64_MIN;
      default:
        return static_cast<int64_t>(random_());
    }
  }

  void set(google::protobuf::Message& message, const Field* field, int depth) {
    const auto* reflection = message.GetReflection();
    bool add = field->is_repeated();
    switch (field->cpp_type()) {
      case Field::CPPTYPE_STRING:
        return reflection->SetString(&message, field, text());
      case Field::CPPTYPE_INT64:
        return reflection->SetInt64(&message, field, number());
      case Field::CPPTYPE_UINT64:
        return reflection->SetUInt64(&message, field, static_cast<uint64_t>(number()));
      case Field::CPPTYPE_BOOL:
        return reflection->SetBool(&message, field, below(2) == 0);
      case Field::CPPTYPE_ENUM: {
        int value = below(4) != 0 ? static_cast<int>(below(6)) : static_cast<int>(random_());
        return reflection->SetEnumValue(&message, field, value);
      }
      case Field::CPPTYPE_MESSAGE: {
        if (depth == 0) return;
        auto* inner = add ? reflection->AddMessage(&message, field)
                          : reflection->MutableMessage(&message, field);
        return fill(*inner, depth - 1);
      }
      default:
        FAIL() << "a field type that no request has: " << field->full_name();
    }
  }

  std::mt19937_64& random_;
};

// protobuf's own parser, with our limit of nesting.
bool parse(const std::string& bytes, google::protobuf::Message& out) {
  google::protobuf::io::CodedInputStream input(reinterpret_cast<const uint8_t*>(bytes.data()),
                                               static_cast<int>(bytes.size()));
  input.SetRecursionLimit(kMaxMessageDepth);
  return out.ParseFromCodedStream(&input) && input.ConsumedEntireMessage();
}

class KvCodec : public ::testing::Test {
 protected:
  KvCodec() { random_.seed(tests::run_seed()); }

  // Both decoders agree: on whether the bytes are a message, and on what it says.
  template <class Mine, class Theirs>
  void expect_agreement(const std::string& bytes) {
    Theirs theirs;
    Mine mine;
    bool valid = parse(bytes, theirs);
    ASSERT_EQ(decode(bytes, mine), valid) << base::hex_bytes(bytes);
    if (!valid) return;
    ASSERT_TRUE(same(mine, theirs)) << base::hex_bytes(bytes) << "\n" << theirs.DebugString();
    // What is encoded again reads the same, has the promised size and is stable.
    std::string again, third;
    encode(mine, again);
    ASSERT_EQ(again.size(), encoded_size(mine));
    Theirs reparsed;
    ASSERT_TRUE(parse(again, reparsed));
    ASSERT_TRUE(same(mine, reparsed)) << base::hex_bytes(again);
    Mine twice;
    ASSERT_TRUE(decode(again, twice));
    encode(twice, third);
    ASSERT_EQ(third, again);
  }

  void mutate(std::string& bytes) {
    size_t changes = 1 + random_() % 3;
    for (size_t i = 0; i < changes && !bytes.empty(); ++i) {
      size_t at = random_() % bytes.size();
      switch (random_() % 6) {
        case 0:
          bytes[at] = static_cast<char>(random_());
          break;
        case 1:
          bytes[at] = static_cast<char>(bytes[at] ^ (1 << random_() % 8));
          break;
        case 2:
          bytes.erase(at, 1 + random_() % 4);
          break;
        case 3:
          bytes.insert(at, 1, static_cast<char>(random_()));
          break;
        case 4:
          bytes.resize(at);
          break;
        case 5:
          bytes.insert(at, bytes.substr(random_() % bytes.size(), random_() % 16));
          break;
      }
    }
  }

  template <class Mine, class Theirs>
  void compare_decoders(int rounds) {
    Filler filler(random_);
    for (int i = 0; i < rounds; ++i) {
      Theirs message, other;
      filler.fill(message, 5);
      filler.fill(other, 3);
      std::string bytes = message.SerializeAsString();
      expect_agreement<Mine, Theirs>(bytes);
      if (HasFatalFailure()) return;
      // A message after a message is their merge.
      expect_agreement<Mine, Theirs>(bytes + other.SerializeAsString());
      if (HasFatalFailure()) return;
      for (int n = 0; n < 8; ++n) {
        std::string mutated = n < 6 ? bytes : other.SerializeAsString();
        mutate(mutated);
        expect_agreement<Mine, Theirs>(mutated);
        if (HasFatalFailure()) return;
      }
    }
  }

  std::mt19937_64 random_;
};

TEST_F(KvCodec, AgreesWithProtobuf) {
  compare_decoders<RangeRequest, etcdserverpb::RangeRequest>(2000);
  compare_decoders<PutRequest, etcdserverpb::PutRequest>(2000);
  compare_decoders<DeleteRangeRequest, etcdserverpb::DeleteRangeRequest>(2000);
  compare_decoders<TxnRequest, etcdserverpb::TxnRequest>(3000);
  compare_decoders<CompactionRequest, etcdserverpb::CompactionRequest>(2000);
  compare_decoders<LeaseGrantRequest, etcdserverpb::LeaseGrantRequest>(2000);
  compare_decoders<LeaseRevokeRequest, etcdserverpb::LeaseRevokeRequest>(2000);
  compare_decoders<LeaseCheckpointRequest, etcdserverpb::LeaseCheckpointRequest>(2000);
  compare_decoders<AlarmRequest, etcdserverpb::AlarmRequest>(2000);
}

// Bytes without any meaning: short ones hit the edges of varints, tags and groups.
TEST_F(KvCodec, AgreesWithProtobufOnNoise) {
  for (int i = 0; i < 100'000; ++i) {
    std::string noise(random_() % 12, '\0');
    // Small numbers are likelier to be known fields.
    for (char& c : noise) c = static_cast<char>(random_() % 2 == 0 ? random_() % 128 : random_());
    expect_agreement<RangeRequest, etcdserverpb::RangeRequest>(noise);
    expect_agreement<TxnRequest, etcdserverpb::TxnRequest>(noise);
    if (HasFatalFailure()) return;
  }
}

TEST_F(KvCodec, KnownCases) {
  auto range = [&](std::string bytes) {
    expect_agreement<RangeRequest, etcdserverpb::RangeRequest>(bytes);
  };
  range("");
  range(std::string("\x0a\x01k\x0a\x01z", 6));                // the last value of a scalar wins
  range(std::string("\x08\x05\x0a\x01k", 5));                 // field 1 as a number: unknown
  range(std::string("\x0b\x08\x01\x0c\x0a\x01k", 7));         // a group in the place of field 1
  range(std::string("\x0b\x08\x01\x14", 4));                  // closed by another field's end
  range(std::string("\x0b\x08\x01", 3));                      // never closed
  range(std::string("\x0c", 1));                              // an end without a start
  range(std::string("\x0a\xff\xff\xff\xff\x07", 6));          // a length beyond the end
  range(std::string("\x00\x01", 2));                          // field number 0
  range("\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");      // ten bytes: -1
  range("\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");  // eleven
  range("\x28\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");      // an enum of -1
  auto txn = [&](std::string bytes) {
    expect_agreement<TxnRequest, etcdserverpb::TxnRequest>(bytes);
  };
  // A union given as put, then range, then put again: the second put starts empty.
  txn(std::string("\x12\x0c\x12\x03\x0a\x01p\x0a\x00\x12\x03\x12\x01v", 14));
  // The same member twice is merged.
  txn(std::string("\x12\x0a\x12\x03\x0a\x01p\x12\x03\x12\x01v", 12));
  // Compare's union before and after its target, and another member than the target's.
  txn(std::string("\x0a\x04\x30\x07\x10\x02", 6));
  txn(std::string("\x0a\x06\x10\x02\x30\x07\x20\x09", 8));
}

// Transactions nested 50 to 127 deep were refused as malformed, at protobuf's limit for C++, while
// etcd executes them. Checked is the last level that is taken, and the first that is not.
TEST_F(KvCodec, NestingLimit) {
  int valid = 0;
  std::string bytes;
  for (int level = 0; level < 160; ++level) {
    etcdserverpb::RequestOp op;
    std::string outer;
    std::string inner;
    inner.append("\x22");  // RequestOp.request_txn
    char length[10];
    auto put = [&](std::string& to, size_t n) {
      char* end = length;
      for (; n >= 0x80; n >>= 7) *end++ = static_cast<char>(n | 0x80);
      *end++ = static_cast<char>(n);
      to.append(length, end);
    };
    put(inner, bytes.size());
    inner.append(bytes);
    outer.append("\x12");  // TxnRequest.success
    put(outer, inner.size());
    outer.append(inner);
    bytes = outer;
    expect_agreement<TxnRequest, etcdserverpb::TxnRequest>(bytes);
    TxnRequest mine;
    valid += decode(bytes, mine);
    if (HasFatalFailure()) return;
  }
  EXPECT_EQ(valid, kMaxMessageDepth / 2);
}

}  // namespace
}  // namespace keelson::model
