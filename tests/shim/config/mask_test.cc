// No password may be read from a log.
#include "shim/config/mask.h"

#include <gtest/gtest.h>

#include "tests/shim/config/run.h"

namespace keelson::config {
namespace {

TEST(Mask, HidesPasswordsAndNothingElse) {
  const std::pair<const char*, const char*> cases[] = {
      {"--backend-url=postgres://keel:s3cret@db:5432/k?sslmode=require",
       "--backend-url=postgres://keel:***@db:5432/k?sslmode=require"},
      {"postgres://keel:s3@cr/et@db/k", "postgres://keel:***@db/k"},
      {"postgres://keel:s?c@db/k", "postgres://keel:***@db/k"},
      {"postgresql://keel@db/k", "postgresql://keel@db/k"},
      {"postgres:///k?user=keel&password=s3cret&host=db",
       "postgres:///k?user=keel&password=***&host=db"},
      {"host=db password=s3cret user=keel", "host=db password=*** user=keel"},
      {"host=db password = 's3 \\' cret' user=keel", "host=db password = *** user=keel"},
      {"host=db password=s3\\ cret user=keel", "host=db password=*** user=keel"},
      {"host=db PASSWORD='s3 cret", "host=db PASSWORD=***"},
      {"host=db sslpassword=abc", "host=db sslpassword=***"},
      {"password=", "password="},
      {"no password here", "no password here"},
      {"--listen-client-urls=http://127.0.0.1:2379", "--listen-client-urls=http://127.0.0.1:2379"},
      {"--endpoint=mysql://u:p@tcp(h:3306)/k", "--endpoint=mysql://u:***@tcp(h:3306)/k"},
      {"error in \"postgres://u:p@h:1/d\": refused",
       "error in \"postgres://u:***@h:1/d\": refused"},
  };
  for (const auto& [text, shown] : cases) EXPECT_EQ(masked(text), shown);
}

TEST(Mask, HidesTheValueOfAFlagThatNamesOne) {
  EXPECT_EQ(masked(std::vector<std::string>{"--discovery-password", "x", "--name", "y"}),
            (std::vector<std::string>{"--discovery-password", "***", "--name", "y"}));
}

// Whatever is said about a configuration, the password is not part of it.
TEST(Mask, NothingThatIsLoggedHoldsAPassword) {
  const std::string secret = "Xs3cretX";
  const std::string uri = "postgres://keel:" + secret + "@db/k";
  const Case cases[] = {
      {{"--backend=postgres", "--backend-url=" + uri}, {}, ""},
      {{}, {{"ETCD_BACKEND", "postgres"}, {"ETCD_BACKEND_URL", uri}}, ""},
      {{}, {{"ETCD_BACKEND_URLS", uri}}, ""},
      {{}, {{"KINE_ENDPOINT", uri}}, ""},
      {{"--backend-url=" + uri}, {}, ""},
      {{"--backend=sqlite", "--backend-url=" + uri}, {}, ""},
      {{"--backend=postgres", "--backend-url=" + uri + "?a"}, {}, ""},
      {{"--backend=postgres", "--backend-url=host='" + secret}, {}, ""},
      {{"--backend=postgres", "--backend-url=mysql://a:" + secret + "@h"}, {}, ""},
      {{"--endpoint=mysql://a:" + secret + "@h"}, {}, ""},
      {{"--endpoint=//a:" + secret + "@h"}, {}, ""},
      {{"--endpoint=" + secret}, {}, ""},
      {{"--endpoint=" + uri, "--backend=postgres"}, {}, ""},
      {{"--endpoint=sqlite://x?password=" + secret}, {}, ""},
      {{"--config-file=/config.yaml"}, {}, "backend: postgres\nbackend-url: [" + uri + "]\n"},
      {{"--config-file=/config.yaml"}, {}, "backend: native\nbackend-url: " + uri + "\n"},
  };
  for (const Case& c : cases) {
    Outcome outcome = run(c);
    EXPECT_EQ(outcome.out.find(secret), std::string::npos);
    EXPECT_EQ(outcome.err.find(secret), std::string::npos);
    for (const Note& note : outcome.notes) {
      for (const auto& field : note.fields) {
        EXPECT_EQ(field.second.find(secret), std::string::npos) << note.message << field.second;
      }
    }
  }
}

}  // namespace
}  // namespace keelson::config
