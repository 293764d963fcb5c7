// Raft's nouns: what the log holds and what a member must remember. Plain values, no behaviour.
//
// Field names and meanings are those of etcd's raftpb (proto2); codec.h has their bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/base/ids.h"

namespace keelson::core {

enum class EntryType : uint8_t { kNormal = 0, kConfChange = 1, kConfChangeV2 = 2 };

// One entry of the log. `data` is a view: whoever makes an Entry says how long it lives.
struct Entry {
  Term term;
  Index index;
  EntryType type = EntryType::kNormal;
  std::string_view data;
  friend bool operator==(const Entry&, const Entry&) = default;
};

// What must survive a crash besides the entries. Term and vote must be durable before an answer
// that depends on them leaves; commit may lag behind the truth (Raft re-learns it).
struct HardState {
  Term term;
  MemberId vote;  // 0: voted for nobody in this term
  Index commit;
  friend bool operator==(const HardState&, const HardState&) = default;
};

// The members of a configuration, ascending.
struct ConfState {
  std::vector<uint64_t> voters, learners, voters_outgoing, learners_next;
  bool auto_leave = false;
  friend bool operator==(const ConfState&, const ConfState&) = default;
};

enum class ConfChangeType : uint8_t {
  kAddNode = 0,
  kRemoveNode = 1,
  kUpdateNode = 2,
  kAddLearnerNode = 3,
};

// A change of one member. `id` wakes the waiting proposer; bootstrap entries have none.
struct ConfChange {
  std::optional<uint64_t> id;
  ConfChangeType type = ConfChangeType::kAddNode;
  MemberId node;
  std::string context;  // JSON of the member, see docs/formats/data_directory.md
  friend bool operator==(const ConfChange&, const ConfChange&) = default;
};

}  // namespace keelson::core
