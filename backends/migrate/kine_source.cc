// kine's table in SQLite or PostgreSQL.
#include <utility>

#include "backends/migrate/kine_place.h"
#include "backends/migrate/source.h"

namespace keelson::migrate {

namespace {

class KineSource final : public Source {
 public:
  KineSource(Endpoint from, bool in_use, const Parts& parts)
      : from_(std::move(from)), in_use_(in_use), parts_(parts) {}

  std::string open() override {
    std::string wrong = open_kine(from_, in_use_ ? KineUse::kBeside : KineUse::kRead, parts_, at_);
    if (!wrong.empty()) return wrong;
    bool there = false;
    sql::SqlError error = at_.session->has_table("kine", there);
    if (!error.ok()) return shown(from_) + ": " + error.text;
    if (!there) return shown(from_) + " has no table of kine";
    return in_use_ ? "" : kine_in_use(from_, *at_.session);
  }

  std::string load(State& state) override {
    sql::SqlError error = at_.session->begin(sql::Isolation::kSnapshot);
    if (!error.ok()) return shown(from_) + ": " + error.text;
    KineReader reader(in_use_ ? walk_settled(*at_.session) : walk_table(*at_.session));
    std::string wrong = reader.scan();
    if (wrong.empty()) wrong = state.install(reader);
    if (!reader.wrong().empty()) wrong = reader.wrong();
    at_.session->rollback();
    return wrong.empty() ? "" : shown(from_) + ": " + wrong;
  }

 private:
  const Endpoint from_;
  const bool in_use_;
  const Parts parts_;
  KinePlace at_;
};

}  // namespace

std::unique_ptr<Source> make_kine_source(const Endpoint& from, bool in_use, const Parts& parts) {
  return std::make_unique<KineSource>(from, in_use, parts);
}

}  // namespace keelson::migrate
