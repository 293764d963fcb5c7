// Segments of a write-ahead log, whole and torn, and the entries in them.
#include <string>
#include <vector>

#include "backends/engine/command_codec.h"
#include "backends/engine/member_json.h"
#include "backends/native/conf_change_json.h"
#include "raft/core/codec.h"
#include "raft/wal/record.h"
#include "tests/fuzz/seeds/seeds.h"

namespace keelson::fuzz {
namespace {

using namespace std::string_literals;

using wal::RecordType;

template <class T>
std::string encoded(const T& value) {
  using core::encode, wal::encode;
  std::string out;
  encode(value, out);
  return out;
}

std::string entry(uint64_t term, uint64_t index, std::string_view data) {
  return encoded(core::Entry{Term(term), Index(index), core::EntryType::kNormal, data});
}

// Both segments behind the three bytes that the target takes off.
void give_wal(const Sink& sink, const std::string& first, const std::string& second,
              bool frame = false) {
  std::string head(3, '\0');
  head[0] = static_cast<char>(first.size());
  head[1] = static_cast<char>(first.size() >> 8);
  head[2] = frame ? 1 : 0;
  sink("fuzz_wal", head + first + second);
}

void wal_seeds(const Sink& sink) {
  uint32_t crc = 0;
  std::string first, second;
  const std::string metadata = "\x08\x01\x10\x02"s;
  wal::append_crc_frame(first, crc);
  wal::append_frame(first, RecordType::kMetadata, metadata, {}, crc);
  wal::append_frame(first, RecordType::kSnapshot, encoded(wal::SnapshotRecord{}), {}, crc);
  wal::append_frame(first, RecordType::kEntry, entry(1, 1, "one"), {}, crc);
  wal::append_frame(first, RecordType::kEntry, entry(1, 2, std::string(700, 'x')), {}, crc);
  wal::append_frame(first, RecordType::kState,
                    encoded(core::HardState{Term(1), MemberId(1), Index(1)}), {}, crc);
  wal::append_crc_frame(second, crc);
  wal::append_frame(second, RecordType::kMetadata, metadata, {}, crc);
  wal::append_frame(second, RecordType::kEntry, entry(2, 3, "three"), {}, crc);
  wal::append_frame(second, RecordType::kEntry, entry(2, 3, "again"), {}, crc);
  wal::append_frame(second, RecordType::kSnapshot,
                    encoded(wal::SnapshotRecord{Index(2), Term(1), true, {{1}, {}, {}, {}, false}}),
                    {}, crc);
  const size_t last = second.size();
  wal::append_frame(second, RecordType::kEntry, entry(2, 4, std::string(1500, 'y')), {}, crc);
  give_wal(sink, first, second);
  give_wal(sink, first, second.substr(0, last) + second.substr(last, 100));  // cut
  std::string torn = second;
  for (size_t at = (last / wal::kSector + 1) * wal::kSector; at < torn.size(); ++at)
    torn[at] = '\0';
  give_wal(sink, first, torn);
  std::string flipped = second;
  flipped[last + 40] ^= 1;
  give_wal(sink, first, flipped);
  give_wal(sink, first, second + std::string(512, '\0'));
  std::string gap = first;
  uint32_t other = crc;
  wal::append_frame(gap, RecordType::kEntry, entry(1, 9, "gap"), {}, other);
  give_wal(sink, gap, second);
  give_wal(sink, second, first);
  wal::append_frame(gap, static_cast<RecordType>(9), "x", {}, other);
  give_wal(sink, gap, "");
  // The target's own frames: type, length, bytes.
  give_wal(sink, "\4\0\1\4\x08\1\x10\2\5\0\2\2\1a\3\6\x08\1\x10\1\x18\1"s,
           "\4\0\1\4\x08\1\x10\2\2\2\1b\3\6\x08\2\x10\1\x18\2"s, true);
}

std::vector<model::Command> commands() {
  std::vector<model::Command> out;
  const auto add = [&](auto body) { out.emplace_back().body = std::move(body); };
  add(model::PutRequest{"k", "v", 7, true, false, false});
  add(model::PutRequest{"k", "", 0, false, true, true});
  add(model::DeleteRangeRequest{"a", "z", true});
  model::TxnRequest inner, txn;
  inner.success.emplace_back(model::PutRequest{"x", "y", 0, false, false, false});
  for (int target = 0; target < 5; ++target) {
    model::Compare compare;
    compare.target = static_cast<model::CompareTarget>(target);
    compare.result = static_cast<model::CompareResult>(target % 4);
    compare.key = "c";
    compare.range_end = "d";
    compare.number = target;
    if (target == 3) compare.value = "v";
    txn.compare.push_back(compare);
  }
  txn.success.emplace_back(model::DeleteRangeRequest{"a", "b", false});
  txn.success.emplace_back(std::make_unique<model::TxnRequest>(std::move(inner)));
  txn.failure.emplace_back(model::RangeRequest{.key = "a", .range_end = "b", .limit = 3});
  add(std::move(txn));
  add(model::CompactionRequest{5, true});
  add(model::LeaseGrantRequest{10, 7});
  add(model::LeaseRevokeRequest{7});
  add(model::LeaseCheckpointRequest{{{7, 3}, {8, 4}}});
  add(model::AlarmRequest{model::AlarmAction::kActivate, MemberId(1), model::AlarmType::kNoSpace});
  add(model::ClusterVersionSetRequest{"3.7.0"});
  add(model::MemberAttrSetRequest{MemberId(1), "m", {"http://a:1"}});
  add(model::DowngradeInfoSetRequest{true, "3.6.0"});
  add(model::LeaseKeepAliveRequest{7});
  add(model::LeaseExpireRequest{7, Index(300)});
  add(model::SettingsRequest{2, 1, 1});
  return out;
}

void entry_seeds(const Sink& sink) {
  const auto give = [&](char kind, const std::string& bytes) {
    sink("fuzz_entries", kind + bytes);
    // A field that nobody knows, of each wire type, in front.
    sink("fuzz_entries", kind + "\xf8\7\1\xfa\7\1x\xfd\7\1\1\1\1"s + bytes);
    sink("fuzz_entries", kind + bytes.substr(0, bytes.size() / 2));
  };
  give(0, entry(3, 4, "data"));
  give(0, encoded(core::Entry{Term(1), Index(1), core::EntryType::kConfChange, "x"}));
  give(1, encoded(core::HardState{Term(1), MemberId(2), Index(3)}));
  give(2, encoded(core::ConfState{{1, 2}, {3}, {4}, {5}, true}));
  give(2, "\x0a\2\1\2\x12\1\3\x1a\1\4\x22\1\5\x28\1"s);  // packed
  core::ConfChange change{1, core::ConfChangeType::kAddNode, MemberId(1), ""};
  change.context = native::bootstrap_context(MemberId(1), {"http://a:1"}, "m");
  give(3, encoded(change));
  give(4, encoded(wal::SnapshotRecord{Index(2), Term(1), true, {{1}, {}, {}, {}, true}}));
  for (const model::Command& command : commands()) {
    std::string bytes;
    engine::encode_command(command, 9, bytes);
    give(5, bytes);
  }
  model::Member member;
  member.id = MemberId(1);
  member.name = "m";
  member.peer_urls = {"http://a:1", "http://b<&>:1"};
  member.client_urls = {"http://c:1"};
  member.is_learner = true;
  give(6, engine::member_to_json(member));
  give(7, engine::downgrade_to_json(true, "3.6.0"));
  give(8, encoded(change));
  give(8, change.context);
  give(8, R"({"id":1,"peerURLs":["a",1],"clientURLs":["b"],"isPromote":true,"name":2})");
  give(8, R"({"id":1,"peerURLs":["<a>&\u2028\u2029"],"name":"m"})");
}

}  // namespace

void log_seeds(const Sink& sink) {
  wal_seeds(sink);
  entry_seeds(sink);
}

}  // namespace keelson::fuzz
