// The tables: made when there are none, brought to this version when they are older.
#pragma once

#include <cstdint>
#include <string>

#include "api/base/random.h"
#include "backends/sql/session.h"
#include "backends/sql/statements.h"

namespace keelson::sql {

// The version of tables that `keelson migrate` has begun to fill: no server starts on them until it
// has finished, which puts kSchemaVersion in its place.
inline constexpr int64_t kBeingFilled = 1'000'000'000;

// Creates or migrates the tables under the lock that all processes share. Tables made here say
// `first_version` from the moment that others see them. "" or a sentence for the operator: rights
// that are missing, tables of a newer version.
std::string prepare_schema(const Database& database, Session& session, base::Random& random,
                           int64_t first_version = kSchemaVersion);

// A sentence for the operator when the database holds kine's table and no tables of ours: an empty
// store in the place of kine's would look to Kubernetes like a cluster that lost everything.
std::string refuse_kine(Session& session);

}  // namespace keelson::sql
