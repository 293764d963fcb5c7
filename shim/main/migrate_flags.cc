#include "shim/main/migrate_flags.h"

#include <map>
#include <string_view>

#include "backends/sql/text.h"

namespace keelson::main {

namespace {

struct Flag {
  std::string_view name;
  std::string_view value;  // what it takes, for the help; "" for a switch
  std::string_view text;
};

constexpr Flag kFlags[] = {
    {"from", "STORE", "the store to read"},
    {"to", "STORE", "the store to make; it must be empty or absent"},
    {"live", "", "follow a running source into a running server, etcd:URL, until SIGUSR1"},
    {"while-in-use", "", "make a store from kine's table while kine works with it"},
    {"skip-hash-check", "", "read a database file that has no digest behind it"},
    {"backend-schema", "NAME", "the schema of Keelson's tables in PostgreSQL; keelson"},
    {"bump-revision", "N", "move the revision ahead by N"},
    {"mark-compacted", "", "with --bump-revision: let everything before count as compacted"},
    {"name", "NAME", "of the member of a new data directory; default"},
    {"initial-advertise-peer-urls", "URLS", "of that member; http://localhost:2380"},
    {"initial-cluster-token", "TOKEN", "of its cluster; etcd-cluster"},
    {"cacert", "FILE", "authorities of an https:// server; those of the system"},
    {"cert", "FILE", "the certificate to show it"},
    {"key", "FILE", "the key of that certificate"},
    {"to-cacert", "FILE", "with --live: as --cacert, for the destination; what --cacert says"},
    {"to-cert", "FILE", "likewise"},
    {"to-key", "FILE", "likewise"},
    {"help", "", "this text"},
};

const Flag* find(std::string_view name) {
  for (const Flag& flag : kFlags) {
    if (flag.name == name) return &flag;
  }
  return nullptr;
}

using Values = std::map<std::string, std::string, std::less<>>;

std::string read(const std::vector<std::string>& arguments, Values& out) {
  for (size_t i = 0; i < arguments.size(); ++i) {
    std::string_view text = arguments[i];
    if (!text.starts_with("-")) return "unexpected argument " + arguments[i];
    text.remove_prefix(text.starts_with("--") ? 2 : 1);
    const size_t equals = text.find('=');
    const Flag* flag = find(text == "h" ? "help" : text.substr(0, equals));
    if (flag == nullptr) return "unknown flag " + arguments[i].substr(0, arguments[i].find('='));
    std::string value = "true";
    if (equals != std::string_view::npos) {
      value = text.substr(equals + 1);
    } else if (!flag->value.empty()) {
      if (++i == arguments.size()) return "--" + std::string(flag->name) + " needs a value";
      value = arguments[i];
    }
    if (flag->value.empty() && value != "true" && value != "false") {
      return "--" + std::string(flag->name) + " is true or false";
    }
    out[std::string(flag->name)] = value;
  }
  return "";
}

std::string number(const std::string& text, int64_t& out) {
  out = 0;
  for (char c : text) {
    if (c < '0' || c > '9' || out > INT64_MAX / 100) return "--bump-revision is no number: " + text;
    out = out * 10 + (c - '0');
  }
  return text.empty() ? "--bump-revision is no number" : "";
}

std::string endpoint(const Values& values, const Environment& environment, const char* flag,
                     migrate::Endpoint& out) {
  auto given = values.find(flag);
  const std::string variable = std::string("KEELSON_MIGRATE_") + (flag[0] == 'f' ? "FROM" : "TO");
  const std::string text = given != values.end() ? given->second : environment(variable);
  if (text.empty()) return std::string("--") + flag + " is missing";
  std::string wrong = migrate::parse(text, out);
  return wrong.empty() ? "" : std::string("--") + flag + ": " + wrong;
}

std::string check_live(const MigrateFlags& flags) {
  using migrate::Kind;
  const auto [from, to] = std::pair(flags.options.from.kind, flags.options.to.kind);
  const bool kine = from == Kind::kKineSqlite || from == Kind::kKinePostgres;
  if (flags.options.while_in_use && (flags.live || !kine)) {
    return "--while-in-use is for making a store from kine's table";
  }
  if (flags.live && ((from != Kind::kEtcd && !kine) || to != Kind::kEtcd)) {
    return "--live goes from a running server, etcd:URL or kine's table, to another, etcd:URL; "
           "make the destination without --live first and start its server";
  }
  if (flags.live && flags.options.from == flags.options.to) return "--from and --to are the same";
  if (flags.live && flags.options.bump_revision > 0) return "--live keeps the revisions";
  return "";
}

}  // namespace

std::string parse_migrate_flags(const std::vector<std::string>& arguments,
                                const Environment& environment, MigrateFlags& out) {
  Values values;
  std::string wrong = read(arguments, values);
  if (!wrong.empty()) return wrong;
  auto value = [&](const char* name, std::string fallback) {
    auto given = values.find(name);
    return given == values.end() ? std::move(fallback) : given->second;
  };
  out.help = value("help", "false") == "true";
  if (out.help) return "";
  migrate::Options& options = out.options;
  wrong = endpoint(values, environment, "from", options.from);
  if (wrong.empty()) wrong = endpoint(values, environment, "to", options.to);
  if (wrong.empty()) wrong = number(value("bump-revision", "0"), options.bump_revision);
  if (!wrong.empty()) return wrong;
  options.skip_hash_check = value("skip-hash-check", "false") == "true";
  options.mark_compacted = value("mark-compacted", "false") == "true";
  options.postgres_schema = value("backend-schema", "keelson");
  options.member.name = value("name", "default");
  options.member.peer_urls =
      sql::parted(value("initial-advertise-peer-urls", "http://localhost:2380"), ',');
  options.member.cluster_token = value("initial-cluster-token", "etcd-cluster");
  out.client = {value("cacert", ""), value("cert", ""), value("key", "")};
  out.to_client = {value("to-cacert", out.client.ca_file), value("to-cert", out.client.cert_file),
                   value("to-key", out.client.key_file)};
  if (out.client.cert_file.empty() != out.client.key_file.empty()) {
    return "--cert and --key come together";
  }
  if (out.to_client.cert_file.empty() != out.to_client.key_file.empty()) {
    return "--to-cert and --to-key come together";
  }
  options.while_in_use = value("while-in-use", "false") == "true";
  out.live = value("live", "false") == "true";
  if (std::string refused = check_live(out); !refused.empty()) return refused;
  if (options.mark_compacted && options.bump_revision == 0) {
    return "--mark-compacted needs --bump-revision";
  }
  return "";
}

std::string migrate_help() {
  std::string out =
      "usage: keelson migrate --from STORE --to STORE [FLAG...]\n\n"
      "Moves a store that is at rest into an empty one: keys, values, revisions, versions, "
      "leases.\n"
      "What was written is read back and compared before it counts; a run that was killed is\n"
      "started again.\n\n"
      "STORE is one of\n"
      "  snapshot:FILE      a snapshot of etcdctl or etcdutl\n"
      "  native:DIR         a data directory of Keelson\n"
      "  sqlite:FILE        Keelson's tables in an SQLite file\n"
      "  postgres:URL       Keelson's tables in PostgreSQL\n"
      "  kine-sqlite:FILE   kine's table in an SQLite file\n"
      "  kine-postgres:URL  kine's table in PostgreSQL\n"
      "  etcd:URL           a running etcd or Keelson, by a snapshot of it; --to with --live\n\n"
      "With --live what the source commits is made again at the destination, which was made from\n"
      "the source before, until SIGUSR1: then both are compared, and clients may move over.\n\n"
      "A URL with a password is better put into KEELSON_MIGRATE_FROM or KEELSON_MIGRATE_TO.\n\n";
  for (const Flag& flag : kFlags) {
    std::string left = "  --" + std::string(flag.name);
    if (!flag.value.empty()) left += " " + std::string(flag.value);
    left.resize(std::max<size_t>(left.size() + 2, 38), ' ');
    out += left + std::string(flag.text) + "\n";
  }
  return out;
}

}  // namespace keelson::main
