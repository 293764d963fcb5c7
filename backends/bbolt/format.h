// The page format of etcd's database file (bbolt, version 2), little-endian throughout. Shared by
// writer and reader; see docs/formats/database.md for the bytes.
#pragma once

#include <cstddef>
#include <cstdint>

namespace keelson::bbolt {

inline constexpr size_t kPageSize = 4096;
inline constexpr size_t kPageHeaderSize = 16;    // id u64, flags u16, count u16, overflow u32
inline constexpr size_t kElementSize = 16;       // of a leaf and of a branch alike
inline constexpr size_t kBucketHeaderSize = 16;  // root pgid u64, sequence u64
inline constexpr size_t kMetaSize = 64;

inline constexpr uint16_t kBranchFlag = 0x01;
inline constexpr uint16_t kLeafFlag = 0x02;
inline constexpr uint16_t kMetaFlag = 0x04;
inline constexpr uint32_t kBucketElement = 0x01;  // leaf element flag: the value is a bucket

inline constexpr uint32_t kMagic = 0xED0CDAED;
inline constexpr uint32_t kVersion = 2;
inline constexpr uint64_t kNoFreelist = ~uint64_t{0};  // etcd opens with NoFreelistSync

inline constexpr size_t kMaxKeySize = 32768;
inline constexpr size_t kMaxValueSize = (size_t{1} << 31) - 2;
inline constexpr size_t kMaxPageCount = 0xFFFE;  // elements of one page
// A bucket whose leaf image is at most this large lives inside its parent's leaf.
inline constexpr size_t kMaxInlineBucket = kPageSize / 4;

}  // namespace keelson::bbolt
