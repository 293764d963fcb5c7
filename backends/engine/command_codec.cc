#include "backends/engine/command_codec.h"

#include <array>

#include "api/base/check.h"
#include "api/base/wire.h"
#include "api/model/kv_codec.h"
#include "backends/engine/extensions.h"

namespace keelson::engine {

namespace wire = base::wire;
using base::wire::Reader;
using model::decode;
using model::encode;

namespace {

// Beside those below.
using engine::decode;
using engine::encode;

// Members of InternalRaftRequest in the order in which etcd looks for the one that is set; the ones
// it would answer but that this version does not know make the entry unknown.
enum Field : uint32_t {
  kId = 1,
  kRange = 3,
  kPut = 4,
  kDeleteRange = 5,
  kTxn = 6,
  kCompaction = 7,
  kLeaseGrant = 8,
  kLeaseRevoke = 9,
  kAlarm = 10,
  kLeaseCheckpoint = 11,
  kHeader = 100,
  kClusterVersionSet = 1300,
  kMemberAttrSet = 1301,
  kDowngradeInfoSet = 1302,
  kDowngradeVersionTest = 9900,
};
constexpr std::array<uint32_t, 16> kOrder = {kClusterVersionSet,
                                             kMemberAttrSet,
                                             kDowngradeInfoSet,
                                             kDowngradeVersionTest,
                                             kRange,
                                             kPut,
                                             kDeleteRange,
                                             kTxn,
                                             kCompaction,
                                             kLeaseGrant,
                                             kLeaseRevoke,
                                             kLeaseCheckpoint,
                                             kAlarm,
                                             kLeaseKeepAliveField,
                                             kLeaseExpireField,
                                             kSettingsField};

void encode(const model::ClusterVersionSetRequest& r, std::string& out) {
  wire::append_bytes(out, 1, r.version);
}
void encode(const model::MemberAttrSetRequest& r, std::string& out) {
  wire::append_uint(out, 1, r.member.value());
  std::string attributes;
  wire::append_bytes(attributes, 1, r.name);
  for (std::string_view url : r.client_urls) wire::append_message(attributes, 2, url);
  wire::append_message(out, 2, attributes);
}
void encode(const model::DowngradeInfoSetRequest& r, std::string& out) {
  wire::append_bool(out, 1, r.enabled);
  wire::append_bytes(out, 2, r.version);
}

bool decode(std::string_view bytes, model::ClusterVersionSetRequest& out) {
  Reader reader(bytes);
  while (reader.next()) {
    if (reader.field() == 1) out.version = reader.bytes();
  }
  return reader.ok();
}
bool decode(std::string_view bytes, model::MemberAttrSetRequest& out) {
  Reader reader(bytes);
  bool attributes = false;
  while (reader.next()) {
    if (reader.field() == 1) out.member = MemberId(reader.uint());
    if (reader.field() != 2) continue;
    attributes = true;
    Reader inner(reader.bytes());
    while (inner.next()) {
      if (inner.field() == 1) out.name = inner.bytes();
      if (inner.field() == 2) out.client_urls.push_back(inner.bytes());
    }
    if (!inner.ok()) reader.fail();
  }
  // etcd's members panic on a request without attributes.
  return reader.ok() && attributes;
}
bool decode(std::string_view bytes, model::DowngradeInfoSetRequest& out) {
  Reader reader(bytes);
  while (reader.next()) {
    if (reader.field() == 1) out.enabled = reader.boolean();
    if (reader.field() == 2) out.version = reader.bytes();
  }
  return reader.ok();
}

template <class Request>
constexpr uint32_t field_of() {
  if constexpr (std::is_same_v<Request, model::PutRequest>) return kPut;
  if constexpr (std::is_same_v<Request, model::DeleteRangeRequest>) return kDeleteRange;
  if constexpr (std::is_same_v<Request, model::TxnRequest>) return kTxn;
  if constexpr (std::is_same_v<Request, model::CompactionRequest>) return kCompaction;
  if constexpr (std::is_same_v<Request, model::LeaseGrantRequest>) return kLeaseGrant;
  if constexpr (std::is_same_v<Request, model::LeaseRevokeRequest>) return kLeaseRevoke;
  if constexpr (std::is_same_v<Request, model::LeaseCheckpointRequest>) return kLeaseCheckpoint;
  if constexpr (std::is_same_v<Request, model::AlarmRequest>) return kAlarm;
  if constexpr (std::is_same_v<Request, model::ClusterVersionSetRequest>) return kClusterVersionSet;
  if constexpr (std::is_same_v<Request, model::MemberAttrSetRequest>) return kMemberAttrSet;
  if constexpr (std::is_same_v<Request, model::DowngradeInfoSetRequest>) return kDowngradeInfoSet;
  if constexpr (std::is_same_v<Request, model::LeaseKeepAliveRequest>) return kLeaseKeepAliveField;
  if constexpr (std::is_same_v<Request, model::LeaseExpireRequest>) return kLeaseExpireField;
  if constexpr (std::is_same_v<Request, model::SettingsRequest>) return kSettingsField;
  return 0;
}

void append_header(uint64_t request_id, std::string& out) {
  wire::append_tag(out, kHeader, wire::kBytes);
  wire::append_varint(out, wire::uint_field_size(1, request_id));
  wire::append_uint(out, 1, request_id);
}

// Appends `request` as a sub-message; its length is known only afterwards, so room for a length of
// two bytes is left and corrected when it was too much or too little.
template <class Request>
void append_request(const Request& request, std::string& out) {
  constexpr size_t kRoom = 2;
  wire::append_tag(out, field_of<Request>(), wire::kBytes);
  size_t at = out.size();
  out.append(kRoom, '\0');
  encode(request, out);
  uint64_t length = out.size() - at - kRoom;
  size_t width = wire::varint_size(length);
  if (width != kRoom) out.replace(at, kRoom, width, '\0');
  wire::put_varint(out.data() + at, length);
}

template <class Request>
bool take(std::string_view bytes, model::Command& out) {
  return decode(bytes, out.body.emplace<Request>());
}

bool take_field(uint32_t field, std::string_view bytes, model::Command& out) {
  switch (field) {
    case kPut:
      return take<model::PutRequest>(bytes, out);
    case kDeleteRange:
      return take<model::DeleteRangeRequest>(bytes, out);
    case kTxn:
      return take<model::TxnRequest>(bytes, out);
    case kCompaction:
      return take<model::CompactionRequest>(bytes, out);
    case kLeaseGrant:
      return take<model::LeaseGrantRequest>(bytes, out);
    case kLeaseRevoke:
      return take<model::LeaseRevokeRequest>(bytes, out);
    case kLeaseCheckpoint:
      return take<model::LeaseCheckpointRequest>(bytes, out);
    case kAlarm:
      return take<model::AlarmRequest>(bytes, out);
    case kClusterVersionSet:
      return take<model::ClusterVersionSetRequest>(bytes, out);
    case kMemberAttrSet:
      return take<model::MemberAttrSetRequest>(bytes, out);
    case kDowngradeInfoSet:
      return take<model::DowngradeInfoSetRequest>(bytes, out);
    case kLeaseKeepAliveField:
      return take<model::LeaseKeepAliveRequest>(bytes, out);
    case kLeaseExpireField:
      return take<model::LeaseExpireRequest>(bytes, out);
    case kSettingsField:
      return take<model::SettingsRequest>(bytes, out);
    default:
      return false;
  }
}

// What the envelope holds: the first of kOrder that is set, and all bytes given for it.
struct Envelope {
  uint32_t field = 0;
  size_t parts = 0;
  std::string_view part;
  bool identified = false;  // a header or an id
};

bool open_envelope(std::string_view bytes, Envelope& out) {
  size_t rank = kOrder.size();
  Reader reader(bytes);
  while (reader.next()) {
    uint32_t field = reader.field();
    if (field == kHeader || (field == kId && reader.uint() != 0)) out.identified = true;
    for (size_t i = 0; i <= rank && i < kOrder.size(); ++i) {
      if (kOrder[i] != field) continue;
      out.parts = i == rank ? out.parts + 1 : 1;
      out.part = reader.bytes();
      out.field = field;
      rank = i;
    }
  }
  return reader.ok() && out.identified && rank < kOrder.size();
}

}  // namespace

void encode_command(const model::Command& command, uint64_t request_id, std::string& out) {
  std::visit(
      [&](const auto& request) {
        using Request = std::decay_t<decltype(request)>;
        if constexpr (field_of<Request>() == 0) {
          KEELSON_CHECK(false, "no command of the log");
        } else if constexpr (field_of<Request>() < kHeader) {
          append_request(request, out);
          append_header(request_id, out);
        } else {
          append_header(request_id, out);
          append_request(request, out);
        }
      },
      command.body);
}

bool decode_command(std::string_view bytes, model::Command& out) {
  out = {};
  Envelope envelope;
  if (!open_envelope(bytes, envelope)) return false;
  out.storage = std::make_unique<std::string>();
  if (envelope.parts == 1) {
    *out.storage = envelope.part;
  } else {
    // Protobuf merges a message given in parts; parsing their concatenation is just that.
    Reader reader(bytes);
    while (reader.next()) {
      if (reader.field() == envelope.field) out.storage->append(reader.bytes());
    }
  }
  return take_field(envelope.field, *out.storage, out);
}

}  // namespace keelson::engine
