// How every service answers: the response header, the body behind it, and errors from the one
// table.
#pragma once

#include <string>
#include <string_view>

#include "api/base/ids.h"
#include "api/model/errors.h"
#include "api/model/store.h"
#include "shim/rpc/context.h"
#include "shim/transport/service.h"

namespace keelson::rpc {

// Appends field 1 of a response: ResponseHeader{cluster_id, member_id, revision, raft_term}. A
// revision of 0 is left out, as in the replies of the Cluster service.
void append_header(std::string& out, const ServiceContext& context, Revision revision, Term term);

// Sends header and body as the one message of a unary call, or the error. Any thread.
void answer(transport::Call& call, const ServiceContext& context, model::Reply reply);

// Sends ready bytes as the one message of a unary call.
void answer_bytes(transport::Call& call, std::string message);

// Ends the call with the error's code and text.
void fail(transport::Call& call, model::Error error);

// The message of a call to a method that is not built, worded as grpc-go words an unknown method.
transport::Status unimplemented(std::string_view path);

}  // namespace keelson::rpc
