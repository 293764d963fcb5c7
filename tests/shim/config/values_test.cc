// Single values, URLs and command lines as Go's packages take them.
#include "shim/config/values.h"

#include <gtest/gtest.h>

#include "shim/config/arguments.h"
#include "shim/config/text.h"

namespace keelson::config {
namespace {

TEST(Values, GoBools) {
  bool out = false;
  for (const char* text : {"1", "t", "T", "true", "TRUE", "True"}) {
    EXPECT_TRUE(parse_bool(text, out) && out) << text;
  }
  for (const char* text : {"0", "f", "F", "false", "FALSE", "False"}) {
    EXPECT_TRUE(parse_bool(text, out) && !out) << text;
  }
  for (const char* text : {"", "tRUE", "yes", "no", "2", " true"}) {
    EXPECT_FALSE(parse_bool(text, out)) << text;
  }
}

TEST(Values, GoIntegers) {
  const std::tuple<const char*, ParseStatus, uint64_t> cases[] = {
      {"0", ParseStatus::kOk, 0},
      {"10", ParseStatus::kOk, 10},
      {"0x1F", ParseStatus::kOk, 31},
      {"0o17", ParseStatus::kOk, 15},
      {"017", ParseStatus::kOk, 15},
      {"0b101", ParseStatus::kOk, 5},
      {"0x_1F", ParseStatus::kOk, 31},
      {"0x1_F", ParseStatus::kOk, 31},
      {"18446744073709551615", ParseStatus::kOk, UINT64_MAX},
      {"18446744073709551616", ParseStatus::kRange, 0},
      {"", ParseStatus::kSyntax, 0},
      {"0x", ParseStatus::kSyntax, 0},
      {"1.5", ParseStatus::kSyntax, 0},
      {"1e3", ParseStatus::kSyntax, 0},
      {"-1", ParseStatus::kSyntax, 0},
      {"08", ParseStatus::kSyntax, 0},
      {"0x1__F", ParseStatus::kSyntax, 0},
      {"0x1_", ParseStatus::kSyntax, 0},
      {"1 ", ParseStatus::kSyntax, 0},
  };
  for (const auto& [text, status, value] : cases) {
    uint64_t out = 0;
    EXPECT_EQ(parse_unsigned(text, out), status) << text;
    if (status == ParseStatus::kOk) {
      EXPECT_EQ(out, value) << text;
    }
  }
  int64_t out = 0;
  EXPECT_EQ(parse_signed("-9223372036854775808", out), ParseStatus::kOk);
  EXPECT_EQ(out, INT64_MIN);
  EXPECT_EQ(parse_signed("9223372036854775808", out), ParseStatus::kRange);
  EXPECT_EQ(parse_signed("+5", out), ParseStatus::kOk);
  EXPECT_EQ(out, 5);
  EXPECT_EQ(parse_signed("--5", out), ParseStatus::kSyntax);
}

// Texts as a running etcd 3.7.3 gives them.
TEST(Values, UrlErrors) {
  const std::pair<const char*, const char*> cases[] = {
      {"ftp://x", "URL scheme must be http, https, unix, or unixs: ftp://x"},
      {"http://127.0.0.1:1/path", "URL must not contain a path: http://127.0.0.1:1/path"},
      {"http://127.0.0.1", "URL address does not have the form \"host:port\": http://127.0.0.1"},
      {"127.0.0.1:33", "parse \"127.0.0.1:33\": first path segment in URL cannot contain colon"},
      {"http://127.0.0.1:22x", "parse \"http://127.0.0.1:22x\": invalid port \":22x\" after host"},
      {":2379", "parse \":2379\": missing protocol scheme"},
      {"localhost:2379", "URL scheme must be http, https, unix, or unixs: localhost:2379"},
      {"http://[::1:2379", "parse \"http://[::1:2379\": missing ']' in host"},
      {"http://a b:2379", "parse \"http://a b:2379\": invalid character \" \" in host name"},
      {"http://::1:2379", "parse \"http://::1:2379\": invalid port \"::1:2379\" after host"},
      {"http://127.0.0.1:33,", "URL scheme must be http, https, unix, or unixs: "},
      {"", "URL scheme must be http, https, unix, or unixs: "},
  };
  for (const auto& [text, error] : cases) {
    std::vector<Url> urls;
    EXPECT_EQ(parse_urls(text, urls), error);
  }
}

TEST(Values, UrlsAreSortedAndUnique) {
  std::vector<Url> urls;
  ASSERT_EQ(
      parse_urls("https://[::1]:2, http://a.b:1 ,unix:///run/x,unixs://y:1,http://a.b:1", urls),
      "");
  EXPECT_EQ(texts_of(urls), (std::vector<std::string>{"http://a.b:1", "https://[::1]:2",
                                                      "unix:///run/x", "unixs://y:1"}));
  EXPECT_EQ(urls[0].host, "a.b");
  EXPECT_EQ(urls[1].host, "::1");
  EXPECT_EQ(urls[1].port, "2");
  EXPECT_TRUE(urls[1].tls());
  EXPECT_EQ(urls[2].path, "/run/x");
  EXPECT_TRUE(urls[2].socket_file());
  EXPECT_FALSE(urls[2].tls());
  EXPECT_EQ(urls[3].path, "y:1");
  EXPECT_TRUE(urls[3].tls());
}

TEST(Values, IpAddresses) {
  for (const char* text : {"127.0.0.1", "::1", "fe80::1%eth0", "0.0.0.0", "::"}) {
    EXPECT_TRUE(is_ip(text)) << text;
  }
  for (const char* text : {"", "localhost", "1.2.3", "1.2.3.4.5", "::x", "1.2.3.4%eth0x."}) {
    if (std::string(text).find('%') != std::string::npos) continue;
    EXPECT_FALSE(is_ip(text)) << text;
  }
}

TEST(Values, Gates) {
  std::vector<std::pair<std::string, bool>> out;
  EXPECT_EQ(parse_gates(" AllAlpha = true ,LeaseCheckpoint=0", out), "");
  EXPECT_EQ(out, (std::vector<std::pair<std::string, bool>>{{"AllAlpha", true},
                                                            {"LeaseCheckpoint", false}}));
  EXPECT_EQ(parse_gates("Foo=true", out), "unrecognized feature gate: Foo");
  EXPECT_EQ(parse_gates("AllAlpha", out), "missing bool value for AllAlpha");
  EXPECT_EQ(parse_gates("AllAlpha=x", out),
            "invalid value of AllAlpha=x, err: strconv.ParseBool: parsing \"x\": invalid syntax");
}

ArgumentsResult parse(std::vector<std::string> arguments, Values& values) {
  return parse_arguments(arguments, values);
}

TEST(Arguments, BothDashFormsAndBothValueForms) {
  for (std::vector<std::string> arguments :
       {std::vector<std::string>{"--name=a"}, {"-name=a"}, {"--name", "a"}, {"-name", "a"}}) {
    Values values;
    ArgumentsResult result = parse(arguments, values);
    EXPECT_EQ(result.error, "");
    EXPECT_EQ(values.text("name"), "a");
    EXPECT_TRUE(values.is_set("name"));
    EXPECT_FALSE(values.is_set("data-dir"));
  }
}

TEST(Arguments, ABoolTakesNoValueFromTheNextArgument) {
  Values values;
  ArgumentsResult result = parse({"--client-cert-auth", "false", "--name=x"}, values);
  EXPECT_TRUE(values.boolean("client-cert-auth"));
  EXPECT_EQ(result.positional, (std::vector<std::string>{"false", "--name=x"}));
  EXPECT_EQ(values.text("name"), "default");
}

TEST(Arguments, TheLastValueCountsAndEmptyIsAValue) {
  Values values;
  EXPECT_EQ(parse({"--name=a", "--name=b", "--data-dir="}, values).error, "");
  EXPECT_EQ(values.text("name"), "b");
  EXPECT_TRUE(values.is_set("data-dir"));
}

TEST(Arguments, EndOfFlags) {
  Values values;
  EXPECT_EQ(parse({"--name=a", "--", "--name=b"}, values).positional,
            std::vector<std::string>{"--name=b"});
  EXPECT_EQ(parse({"-"}, values).positional, std::vector<std::string>{"-"});
  EXPECT_TRUE(parse({"--name=a", "-h", "--bogus"}, values).help);
  EXPECT_TRUE(parse({"--help"}, values).help);
}

// Texts as a running etcd 3.7.3 gives them.
TEST(Arguments, Errors) {
  const std::pair<std::vector<std::string>, const char*> cases[] = {
      {{"--bogus"}, "flag provided but not defined: -bogus"},
      {{"--name"}, "flag needs an argument: -name"},
      {{"-=x"}, "bad flag syntax: -=x"},
      {{"---x"}, "bad flag syntax: ---x"},
      {{"--strict-reconfig-check=maybe"},
       "invalid boolean value \"maybe\" for -strict-reconfig-check: parse error"},
      {{"--max-txn-ops=-1"}, "invalid value \"-1\" for flag -max-txn-ops: parse error"},
      {{"--max-txn-ops=99999999999999999999"},
       "invalid value \"99999999999999999999\" for flag -max-txn-ops: value out of range"},
      {{"--grpc-keepalive-interval=5"},
       "invalid value \"5\" for flag -grpc-keepalive-interval: parse error"},
      {{"--initial-cluster-state=foo"},
       "invalid value \"foo\" for flag -initial-cluster-state: invalid value"},
      {{"--feature-gates=Foo=true"},
       "invalid value \"Foo=true\" for flag -feature-gates: unrecognized feature gate: Foo"},
      {{"--max-concurrent-streams=4294967296"},
       "invalid value \"4294967296\" for flag -max-concurrent-streams: strconv.ParseUint: parsing "
       "\"4294967296\": value out of range"},
      {{"--max-concurrent-streams=x"},
       "invalid value \"x\" for flag -max-concurrent-streams: strconv.ParseUint: parsing \"x\": "
       "invalid syntax"},
      {{"--quota-backend-bytes=x"},
       "invalid value \"x\" for flag -quota-backend-bytes: parse error"},
      {{"--cors=ftp://x"},
       "invalid value \"ftp://x\" for flag -cors: URL scheme must be http, https, unix, or unixs: "
       "ftp://x"},
      {{"--cors="},
       "invalid value \"\" for flag -cors: URL scheme must be http, https, unix, or unixs: "},
  };
  for (const auto& [arguments, error] : cases) {
    Values values;
    EXPECT_EQ(parse(arguments, values).error, error);
  }
}

TEST(Text, QuotedAndTrimmed) {
  EXPECT_EQ(quoted("a\"b\\c\n\x01"), "\"a\\\"b\\\\c\\n\\x01\"");
  EXPECT_EQ(trimmed(" \t a b \n"), "a b");
  EXPECT_EQ(trimmed("  "), "");
  EXPECT_EQ(split("a,,b", ','), (std::vector<std::string_view>{"a", "", "b"}));
  EXPECT_EQ(split("", ','), (std::vector<std::string_view>{""}));
}

}  // namespace
}  // namespace keelson::config
