// What the command line of `keelson migrate` gives, and what it says to mistakes.

#include "shim/main/migrate_flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace keelson::main {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

struct Outcome {
  std::string wrong;
  MigrateFlags flags;
};

Outcome parse(const std::vector<std::string>& arguments,
              const std::map<std::string, std::string>& environment = {}) {
  Outcome out;
  out.wrong = parse_migrate_flags(
      arguments,
      [&](const std::string& name) {
        auto at = environment.find(name);
        return at == environment.end() ? "" : at->second;
      },
      out.flags);
  return out;
}

// Behind a source and a destination that suit any other flag.
std::string wrong_with(std::vector<std::string> more) {
  std::vector<std::string> all = {"--from=snapshot:/s", "--to=native:/d"};
  all.insert(all.end(), more.begin(), more.end());
  return parse(all).wrong;
}

TEST(MigrateFlags, DefaultsAreThoseOfANewMember) {
  const Outcome outcome = parse({"--from=snapshot:/a/b.db", "--to", "native:/data"});
  ASSERT_EQ(outcome.wrong, "");
  const migrate::Options& options = outcome.flags.options;
  EXPECT_EQ(options.from, (migrate::Endpoint{migrate::Kind::kSnapshot, "/a/b.db"}));
  EXPECT_EQ(options.to, (migrate::Endpoint{migrate::Kind::kNative, "/data"}));
  EXPECT_FALSE(outcome.flags.help);
  EXPECT_FALSE(options.skip_hash_check);
  EXPECT_FALSE(options.mark_compacted);
  EXPECT_EQ(options.bump_revision, 0);
  EXPECT_EQ(options.postgres_schema, "keelson");
  EXPECT_EQ(options.member.name, "default");
  EXPECT_THAT(options.member.peer_urls, ElementsAre("http://localhost:2380"));
  EXPECT_EQ(options.member.cluster_token, "etcd-cluster");
  EXPECT_EQ(outcome.flags.client.ca_file + outcome.flags.client.cert_file, "");
}

TEST(MigrateFlags, EveryFlagIsTaken) {
  const Outcome outcome =
      parse({"--from=etcd:https://h:2379", "-to=sqlite:/f", "--skip-hash-check", "--bump-revision",
             "1000000000", "--mark-compacted=true", "--backend-schema=two", "--name=m1",
             "--initial-advertise-peer-urls=http://a:1,http://b:2", "--initial-cluster-token", "tk",
             "--cacert=/ca", "--cert=/c", "--key=/k"});
  ASSERT_EQ(outcome.wrong, "");
  const migrate::Options& options = outcome.flags.options;
  EXPECT_EQ(options.from, (migrate::Endpoint{migrate::Kind::kEtcd, "https://h:2379"}));
  EXPECT_EQ(options.to, (migrate::Endpoint{migrate::Kind::kSqlite, "/f"}));
  EXPECT_TRUE(options.skip_hash_check);
  EXPECT_TRUE(options.mark_compacted);
  EXPECT_EQ(options.bump_revision, 1'000'000'000);
  EXPECT_EQ(options.postgres_schema, "two");
  EXPECT_EQ(options.member.name, "m1");
  EXPECT_THAT(options.member.peer_urls, ElementsAre("http://a:1", "http://b:2"));
  EXPECT_EQ(options.member.cluster_token, "tk");
  EXPECT_EQ(outcome.flags.client.ca_file, "/ca");
  EXPECT_EQ(outcome.flags.client.cert_file, "/c");
  EXPECT_EQ(outcome.flags.client.key_file, "/k");
}

TEST(MigrateFlags, ASwitchCanBeTurnedOffAndTheLastOneCounts) {
  const Outcome outcome = parse({"--from=snapshot:/s", "--to=native:/d", "--skip-hash-check",
                                 "--skip-hash-check=false", "--name=a", "--name=b"});
  ASSERT_EQ(outcome.wrong, "");
  EXPECT_FALSE(outcome.flags.options.skip_hash_check);
  EXPECT_EQ(outcome.flags.options.member.name, "b");
}

TEST(MigrateFlags, UrlsMayStandInTheEnvironment) {
  const std::map<std::string, std::string> environment = {
      {"KEELSON_MIGRATE_FROM", "kine-postgres://u:secret@h/k"},
      {"KEELSON_MIGRATE_TO", "postgres://u:secret@h/d"}};
  Outcome outcome = parse({}, environment);
  ASSERT_EQ(outcome.wrong, "");
  EXPECT_EQ(outcome.flags.options.from,
            (migrate::Endpoint{migrate::Kind::kKinePostgres, "postgres://u:secret@h/k"}));
  EXPECT_EQ(outcome.flags.options.to,
            (migrate::Endpoint{migrate::Kind::kPostgres, "postgres://u:secret@h/d"}));
  outcome = parse({"--from=snapshot:/s"}, environment);
  ASSERT_EQ(outcome.wrong, "");
  EXPECT_EQ(outcome.flags.options.from.kind, migrate::Kind::kSnapshot) << "the flag comes first";
}

TEST(MigrateFlags, MistakesAreNamed) {
  EXPECT_EQ(parse({}).wrong, "--from is missing");
  EXPECT_EQ(parse({"--from=snapshot:/s"}).wrong, "--to is missing");
  EXPECT_EQ(parse({"--from=snapshot:", "--to=native:/d"}).wrong,
            "--from: snapshot: names no place");
  EXPECT_EQ(wrong_with({"more"}), "unexpected argument more");
  EXPECT_EQ(wrong_with({"--nonsense=1"}), "unknown flag --nonsense");
  EXPECT_EQ(wrong_with({"--"}), "unknown flag --");
  EXPECT_EQ(wrong_with({"--name"}), "--name needs a value");
  EXPECT_EQ(wrong_with({"--skip-hash-check=yes"}), "--skip-hash-check is true or false");
  EXPECT_EQ(wrong_with({"--cert=/c"}), "--cert and --key come together");
  EXPECT_EQ(wrong_with({"--key=/k"}), "--cert and --key come together");
  EXPECT_EQ(wrong_with({"--mark-compacted"}), "--mark-compacted needs --bump-revision");
}

TEST(MigrateFlags, ARevisionIsANumber) {
  EXPECT_EQ(wrong_with({"--bump-revision="}), "--bump-revision is no number");
  for (const std::string text : {"-1", "1x", " 1", "0x10", "99999999999999999999"}) {
    EXPECT_EQ(wrong_with({"--bump-revision=" + text}), "--bump-revision is no number: " + text);
  }
  EXPECT_EQ(wrong_with({"--bump-revision=0"}), "");
}

// A store's address may hold a password.
TEST(MigrateFlags, NoComplaintRepeatsAnAddress) {
  for (const std::string place : {"postgre://u:secret@h/d", "mysql:secret", "secret"}) {
    EXPECT_THAT(parse({"--from=" + place, "--to=native:/d"}).wrong,
                testing::AllOf(StartsWith("--from: "), testing::Not(HasSubstr("secret"))));
  }
}

TEST(MigrateFlags, HelpNeedsNothingElseAndNamesEveryKindOfStore) {
  for (const char* flag : {"--help", "-h", "-help"}) {
    const Outcome outcome = parse({flag});
    EXPECT_EQ(outcome.wrong, "");
    EXPECT_TRUE(outcome.flags.help);
  }
  const std::string help = migrate_help();
  EXPECT_THAT(help, StartsWith("usage: keelson migrate --from STORE --to STORE"));
  for (const char* known :
       {"snapshot:", "native:", "sqlite:", "postgres:", "kine-sqlite:", "kine-postgres:", "etcd:",
        "KEELSON_MIGRATE_FROM", "--bump-revision N", "--mark-compacted", "--cacert FILE",
        "--initial-cluster-token TOKEN", "--help"}) {
    EXPECT_THAT(help, HasSubstr(known));
  }
  for (size_t at = 0, end = 0; at < help.size(); at = end + 1) {
    end = help.find('\n', at);
    ASSERT_NE(end, std::string::npos) << "it ends with a line";
    EXPECT_LE(end - at, 120u) << help.substr(at, end - at);
  }
}

}  // namespace
}  // namespace keelson::main
