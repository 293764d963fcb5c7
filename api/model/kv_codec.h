// The KV requests to and from their wire bytes, without protobuf classes: the hot path decodes a
// request into views of the received message and encodes it again, canonically, into the log.
//
// Decoding follows protobuf's rules exactly (last value of a scalar wins, unknown fields are
// skipped, a sub-message given twice is merged, a later member of a oneof replaces an earlier one);
// a test holds it against the generated classes on random and mutated messages. All functions are
// pure.
#pragma once

#include <string>
#include <string_view>

#include "api/model/requests.h"

namespace keelson::model {

// False on malformed bytes. Views in `out` point into `bytes`. Messages nested deeper than
// kMaxMessageDepth are malformed.
bool decode(std::string_view bytes, RangeRequest& out);
bool decode(std::string_view bytes, PutRequest& out);
bool decode(std::string_view bytes, DeleteRangeRequest& out);
bool decode(std::string_view bytes, TxnRequest& out);
bool decode(std::string_view bytes, CompactionRequest& out);
bool decode(std::string_view bytes, LeaseGrantRequest& out);
bool decode(std::string_view bytes, LeaseRevokeRequest& out);
bool decode(std::string_view bytes, LeaseCheckpointRequest& out);
bool decode(std::string_view bytes, AlarmRequest& out);

// Appends the canonical encoding (ascending fields, defaults left out).
void encode(const RangeRequest& request, std::string& out);
void encode(const PutRequest& request, std::string& out);
void encode(const DeleteRangeRequest& request, std::string& out);
void encode(const TxnRequest& request, std::string& out);
void encode(const CompactionRequest& request, std::string& out);
void encode(const LeaseGrantRequest& request, std::string& out);
void encode(const LeaseRevokeRequest& request, std::string& out);
void encode(const LeaseCheckpointRequest& request, std::string& out);
void encode(const AlarmRequest& request, std::string& out);

// The number of bytes that encode() appends.
size_t encoded_size(const RangeRequest& request);
size_t encoded_size(const PutRequest& request);
size_t encoded_size(const DeleteRangeRequest& request);
size_t encoded_size(const TxnRequest& request);
size_t encoded_size(const CompactionRequest& request);
size_t encoded_size(const LeaseGrantRequest& request);
size_t encoded_size(const LeaseRevokeRequest& request);
size_t encoded_size(const LeaseCheckpointRequest& request);
size_t encoded_size(const AlarmRequest& request);

}  // namespace keelson::model
