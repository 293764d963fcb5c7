// Where libpqxx's exceptions end: each becomes one of the failures that the log tells apart.
#pragma once

#include <pqxx/except>
#include <string>

#include "backends/sql/session.h"

namespace keelson::postgres {

// Classes of SQLSTATE that mean a session that is over or a server that is stopping.
bool ends_session(const std::string& sqlstate);

// libpq's texts end with a newline.
std::string trimmed(const char* text);

template <class Body>
sql::SqlError guarded(Body body) {
  using sql::Failure;
  try {
    body();
    return {};
  } catch (const pqxx::broken_connection& error) {
    return {Failure::kLost, trimmed(error.what())};
  } catch (const pqxx::unique_violation& error) {
    return {Failure::kConflict, trimmed(error.what())};
  } catch (const pqxx::transaction_rollback& error) {
    return {Failure::kConflict, trimmed(error.what())};
  } catch (const pqxx::sql_error& error) {
    const bool over = error.sqlstate().empty() || ends_session(error.sqlstate());
    return {over ? Failure::kLost : Failure::kRefused, trimmed(error.what())};
  } catch (const std::exception& error) {
    return {Failure::kLost, trimmed(error.what())};
  }
}

}  // namespace keelson::postgres
