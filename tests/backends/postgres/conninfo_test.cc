// What libpq is told of the operator's URL: limits are added, nothing is overridden.
#include "backends/postgres/conninfo.h"

#include <gtest/gtest.h>

namespace keelson::postgres {
namespace {

std::string conninfo(const std::string& url) {
  PostgresOptions options;
  options.url = url;
  return make_conninfo(options);
}

constexpr char kUriSettings[] =
    "application_name=keelson&connect_timeout=5&keepalives_idle=4&keepalives_interval=2&"
    "keepalives_count=3&tcp_user_timeout=10000";
constexpr char kLineSettings[] =
    "application_name=keelson connect_timeout=5 keepalives_idle=4 keepalives_interval=2 "
    "keepalives_count=3 tcp_user_timeout=10000";

TEST(Conninfo, LimitsAreAddedInTheFormAtHand) {
  EXPECT_EQ(conninfo("postgres://h/d"), std::string("postgres://h/d?") + kUriSettings);
  EXPECT_EQ(conninfo("postgresql://h/d?sslmode=require"),
            std::string("postgresql://h/d?sslmode=require&") + kUriSettings);
  EXPECT_EQ(conninfo("host=h dbname=d"), std::string("host=h dbname=d ") + kLineSettings);
  EXPECT_EQ(conninfo(""), kLineSettings);
}

TEST(Conninfo, WhatTheOperatorWroteIsKept) {
  EXPECT_EQ(conninfo("postgres://h/d?connect_timeout=30").find("connect_timeout=5"),
            std::string::npos);
  EXPECT_EQ(conninfo("host=h connect_timeout = 30").find("connect_timeout=5"), std::string::npos);
  // Only the end of another name.
  EXPECT_NE(conninfo("host=h my_connect_timeout=30").find("connect_timeout=5"), std::string::npos);
}

}  // namespace
}  // namespace keelson::postgres
