// What libpq is told of the operator's URL: limits are added, nothing is overridden.
#include "backends/postgres/conninfo.h"

#include <gtest/gtest.h>
#include <libpq-fe.h>

#include <map>

namespace keelson::postgres {
namespace {

using Parameters = std::map<std::string, std::string>;

std::string conninfo(const std::string& url) {
  PostgresOptions options;
  options.url = url;
  return make_conninfo(options);
}

// What libpq makes of a text.
Parameters read(const std::string& text) {
  Parameters out;
  PQconninfoOption* options = PQconninfoParse(text.c_str(), nullptr);
  EXPECT_NE(options, nullptr) << text;
  for (auto* at = options; at != nullptr && at->keyword != nullptr; ++at) {
    if (at->val != nullptr) out[at->keyword] = at->val;
  }
  PQconninfoFree(options);
  return out;
}

// The operator's own parameters with all limits.
Parameters with_limits(Parameters own) {
  own.merge(Parameters{{"application_name", "keelson"},
                       {"connect_timeout", "5"},
                       {"keepalives_idle", "4"},
                       {"keepalives_interval", "2"},
                       {"keepalives_count", "3"},
                       {"tcp_user_timeout", "10000"}});
  return own;
}

TEST(Conninfo, LimitsAreAddedToEitherForm) {
  EXPECT_EQ(read(conninfo("postgres://h/d")), with_limits({{"host", "h"}, {"dbname", "d"}}));
  EXPECT_EQ(read(conninfo("postgresql://u:p%27%5C@h1,h2:1/d?sslmode=require")),
            with_limits({{"host", "h1,h2"},
                         {"port", ",1"},
                         {"user", "u"},
                         {"password", "p'\\"},
                         {"dbname", "d"},
                         {"sslmode", "require"}}));
  EXPECT_EQ(read(conninfo("host=h dbname=d")), with_limits({{"host", "h"}, {"dbname", "d"}}));
  EXPECT_EQ(read(conninfo("")), with_limits({}));
}

TEST(Conninfo, WhatTheOperatorWroteIsKept) {
  for (const char* text : {"postgres:///?connect_timeout=30", "connect_timeout = 30"}) {
    EXPECT_EQ(read(conninfo(text)), with_limits({{"connect_timeout", "30"}})) << text;
  }
  EXPECT_EQ(read(conninfo("application_name=''")), with_limits({{"application_name", ""}}));
}

// The names were looked for in the text itself: a value that held one took the limit away.
TEST(Conninfo, ANameWithinAValueIsNoParameter) {
  EXPECT_EQ(read(conninfo("password='a connect_timeout=30 b'")),
            with_limits({{"password", "a connect_timeout=30 b"}}));
}

TEST(Conninfo, WhatCannotBeReadIsLeftToTheConnection) {
  EXPECT_EQ(conninfo("host=h my_parameter=30"), "host=h my_parameter=30");
}

}  // namespace
}  // namespace keelson::postgres
