// The choice of the backend: what arrives, and a sentence for every mistake.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "shim/config/conninfo.h"
#include "tests/shim/config/run.h"

namespace keelson::config {
namespace {

constexpr const char* kUrl = "postgres://keel:pw@db:5432/k";

Outcome with(std::vector<std::string> arguments) {
  return run({std::move(arguments), {}, ""});
}

Outcome postgres(std::vector<std::string> more, const std::string& url = kUrl) {
  more.insert(more.begin(), {"--backend=postgres", "--backend-url=" + url});
  return with(std::move(more));
}

TEST(Backend, PostgresByUri) {
  Outcome outcome = postgres({});
  ASSERT_EQ(outcome.exit_code, -1);
  EXPECT_EQ(outcome.config.backend, "postgres");
  EXPECT_EQ(outcome.config.sql.url, kUrl);
  EXPECT_EQ(outcome.config.sql.schema, "keelson");
  EXPECT_EQ(outcome.config.sql.max_connections, 5);
  EXPECT_TRUE(outcome.config.sql.listen);
  EXPECT_EQ(outcome.config.data_dir, "");
  EXPECT_FALSE(has_note(outcome, "'data-dir' was empty; using default"));
}

TEST(Backend, PostgresByKeywords) {
  const std::string text = "host=/run/pg port = 5433 dbname='my db' user=keel password='a\\'b'";
  Outcome outcome = postgres(
      {"--backend-schema=_two", "--backend-max-connections=4", "--backend-listen=false"}, text);
  ASSERT_EQ(outcome.exit_code, -1) << error_of(outcome);
  EXPECT_EQ(outcome.config.sql.url, text);
  EXPECT_EQ(outcome.config.sql.schema, "_two");
  EXPECT_EQ(outcome.config.sql.max_connections, 4);
  EXPECT_FALSE(outcome.config.sql.listen);
}

TEST(Backend, VariablesAndFile) {
  Outcome outcome = run({{}, {{"ETCD_BACKEND", "postgres"}, {"ETCD_BACKEND_URL", kUrl}}, ""});
  EXPECT_EQ(outcome.config.sql.url, kUrl);
  outcome = from_file(
      "backend: postgres\nbackend-url: postgres://h/d\nbackend-schema: s\nbackend-listen: false\n"
      "backend-max-connections: 9\nbackend-ca-file: /ca\n");
  ASSERT_EQ(outcome.exit_code, -1) << error_of(outcome);
  EXPECT_EQ(outcome.config.sql.url, "postgres://h/d?sslrootcert=/ca&sslmode=verify-full");
  EXPECT_EQ(outcome.config.sql.schema, "s");
  EXPECT_EQ(outcome.config.sql.max_connections, 9);
  EXPECT_FALSE(outcome.config.sql.listen);
}

TEST(Backend, TlsFilesJoinTheAddress) {
  const std::pair<std::vector<std::string>, const char*> cases[] = {
      {{"--backend-ca-file=/c a"}, "postgres://h/d?sslrootcert=/c%20a&sslmode=verify-full"},
      {{"--backend-ca-file=/ca", "--backend-cert-file=/c", "--backend-key-file=/k"},
       "postgres://h/d?sslrootcert=/ca&sslcert=/c&sslkey=/k&sslmode=verify-full"},
  };
  for (const auto& [arguments, url] : cases) {
    EXPECT_EQ(postgres(arguments, "postgres://h/d").config.sql.url, url);
  }
  EXPECT_EQ(postgres({"--backend-ca-file=/ca"}, "postgres://h/d?sslmode=verify-ca").config.sql.url,
            "postgres://h/d?sslmode=verify-ca&sslrootcert=/ca");
  EXPECT_EQ(postgres({"--backend-ca-file=/c'a"}, "host=h").config.sql.url,
            "host=h sslrootcert='/c\\'a' sslmode='verify-full'");
  EXPECT_EQ(postgres({"--backend-cert-file=/c", "--backend-key-file=/k"},
                     "host=h sslrootcert=/ca sslmode=verify-ca")
                .config.sql.url,
            "host=h sslrootcert=/ca sslmode=verify-ca sslcert='/c' sslkey='/k'");
}

TEST(Backend, Sqlite) {
  Outcome outcome = with({"--backend=sqlite", "--data-dir=/d"});
  ASSERT_EQ(outcome.exit_code, -1);
  EXPECT_EQ(outcome.config.sql.url, "/d/keelson.sqlite");
  outcome = with({"--backend=sqlite", "--name=n"});
  EXPECT_EQ(outcome.config.data_dir, "n.etcd");
  EXPECT_EQ(outcome.config.sql.url, "n.etcd/keelson.sqlite");
  outcome = with({"--backend=sqlite", "--backend-url=sqlite:///var/k.db"});
  EXPECT_EQ(outcome.config.sql.url, "/var/k.db");
  outcome = with({"--backend=sqlite", "--backend-url=sqlite://db/k.db"});
  EXPECT_EQ(outcome.config.sql.url, "db/k.db");
}

TEST(Backend, SentencesOfWrongAddresses) {
  const std::string sqlite = "--backend-url of --backend=sqlite must be sqlite:///path/to/file";
  const std::pair<std::vector<std::string>, std::string> cases[] = {
      {{"--backend=postgres"},
       "--backend=postgres needs --backend-url=postgres://user:password@host:port/database"},
      {{"--backend=postgres", "--backend-url=mysql://h/d"},
       "--backend-url of --backend=postgres begins with mysql://; it must begin with postgres://"},
      {{"--backend=postgres", "--backend-url=sqlite:///f"},
       "--backend-url of --backend=postgres begins with sqlite://; it must begin with postgres://"},
      {{"--backend=postgres", "--backend-url=db.example.com"},
       "--backend-url cannot be read: it is neither postgres://user:password@host:port/database "
       "nor "
       "keywords with values (host=... port=... dbname=... user=... password=...)"},
      {{"--backend=postgres", "--backend-url=host='a"},
       "--backend-url cannot be read: the value of host has no closing quote"},
      {{"--backend=postgres", "--backend-url=postgres://h/d?sslmode"},
       "--backend-url cannot be read: each parameter behind the ? must be name=value, special "
       "characters as %XX"},
      {{"--backend=postgres", "--backend-url=postgres://h/d?sslmode=%zz"},
       "--backend-url cannot be read: each parameter behind the ? must be name=value, special "
       "characters as %XX"},
      {{"--backend=sqlite", "--backend-url=/f"}, sqlite},
      {{"--backend=sqlite", "--backend-url=sqlite://"}, sqlite},
      {{"--backend=sqlite", "--backend-url=sqlite:///d/"}, sqlite},
      {{"--backend=sqlite", "--backend-url=sqlite://:memory:"}, sqlite},
      {{"--backend=sqlite", "--backend-url=sqlite://file:x"}, sqlite},
      {{"--backend=sqlite", "--backend-url=sqlite:///f?mode=ro"}, sqlite + ", without parameters"},
      {{"--backend=sqlite", "--backend-url=postgres://h/d"}, sqlite},
      {{"--backend-url=postgres://h/d"},
       "--backend-url is for --backend=postgres or sqlite; this is --backend=native"},
  };
  for (const auto& [arguments, error] : cases) EXPECT_EQ(error_of(with(arguments)), error);
  EXPECT_EQ(with({"--backend=mysql"}).exit_code, 2);
}

TEST(Backend, FlagsOfPostgresAreRefusedElsewhere) {
  for (const char* flag :
       {"schema=x", "max-connections=5", "ca-file=x", "cert-file=x", "key-file=x", "listen=true"}) {
    std::string text = std::string("--backend-") + flag;
    for (const char* backend : {"native", "sqlite", "memory"}) {
      EXPECT_EQ(error_of(with({std::string("--backend=") + backend, text})),
                text.substr(0, text.find('=')) +
                    " is for --backend=postgres; this is --backend=" + backend);
    }
  }
}

TEST(Backend, SentencesOfPostgresFlags) {
  const std::string name =
      " must be a name of 1 to 63 lower-case letters, digits and _, not beginning with a digit";
  for (const std::string bad : {"", "Keel", "a-b", "1a", "a;b", "a\"b"}) {
    std::string shown = bad == "a\"b" ? "a\\\"b" : bad;
    EXPECT_EQ(error_of(postgres({"--backend-schema=" + bad})),
              "--backend-schema=\"" + shown + "\"" + name);
  }
  EXPECT_THAT(error_of(postgres({"--backend-schema=" + std::string(64, 'a')})),
              testing::HasSubstr(name));
  EXPECT_EQ(postgres({"--backend-schema=" + std::string(63, 'a')}).exit_code, -1);
  EXPECT_EQ(error_of(postgres({"--backend-schema=pg_x"})),
            "--backend-schema=\"pg_x\": PostgreSQL keeps names that begin with pg_");
  for (const char* count : {"0", "3", "1001"}) {
    EXPECT_EQ(
        error_of(postgres({std::string("--backend-max-connections=") + count})),
        std::string("--backend-max-connections=") + count +
            " must be from 4 to 1000: the log, its reader, read barriers and checkpoints each "
            "need a connection of their own");
  }
  const std::string clear =
      " in --backend-url may send data in the clear; with --backend-ca-file or --backend-cert-file "
      "it must be require, verify-ca or verify-full";
  for (const std::string mode : {"disable", "allow", "prefer"}) {
    EXPECT_EQ(error_of(postgres({"--backend-ca-file=c"}, "postgres://h/d?sslmode=" + mode)),
              "sslmode=" + mode + clear);
  }
  EXPECT_EQ(error_of(postgres({"--backend-ca-file=c"}, "host=h sslrootcert=x")),
            "--backend-ca-file and sslrootcert in --backend-url: give one");
  for (const char* flag : {"--backend-cert-file=c", "--backend-key-file=k"}) {
    EXPECT_EQ(error_of(postgres({flag, "--backend-ca-file=x"})),
              "--backend-cert-file and --backend-key-file need each other");
  }
  EXPECT_EQ(error_of(postgres({"--backend-cert-file=c", "--backend-key-file=k"})),
            "--backend-cert-file needs --backend-ca-file to know the database by, or an sslmode in "
            "--backend-url");
}

TEST(Conninfo, ReadsWhatLibpqReads) {
  std::map<std::string, std::string> out;
  EXPECT_EQ(read_conninfo("postgres://u:p@h/d?a=1&b=x%20y&a=2", out), "");
  EXPECT_EQ(out, (std::map<std::string, std::string>{{"a", "2"}, {"b", "x y"}}));
  out.clear();
  EXPECT_EQ(read_conninfo("  a = 1 b='x \\' \\\\ y' c='' d=e\\ f", out), "");
  EXPECT_EQ(out, (std::map<std::string, std::string>{
                     {"a", "1"}, {"b", "x ' \\ y"}, {"c", ""}, {"d", "e f"}}));
  for (const char* bad : {"a", "a 1", "=1", "a='", "a=1 b", "postgres://h?a", "postgres://h?a=%",
                          "postgres://h?a=%00"}) {
    EXPECT_NE(read_conninfo(bad, out), "") << bad;
  }
}

}  // namespace
}  // namespace keelson::config
