// Whole servers, without their sockets, that share an SQLite file as they would share a PostgreSQL.
#pragma once

#include <future>
#include <memory>
#include <string>
#include <utility>

#include "api/proto/rpc.pb.h"
#include "backends/store/make_store.h"
#include "tests/backends/sql/flaky_database.h"
#include "tests/backends/sql/sql_harness.h"

namespace keelson::tests {

// The tables that the servers share, and a connection beside them.
struct SharedFile {
  explicit SharedFile(Machine& machine)
      : file(machine.open(TempFolders::make("sql") + "/k.sqlite")) {}

  void run(const std::string& statement) {
    std::unique_ptr<sql::Session> session;
    ASSERT_TRUE(file->connect(false, session).ok());
    const sql::SqlError error = session->execute(statement);
    ASSERT_TRUE(error.ok()) << error.text;
  }
  int64_t number(const std::string& query) {
    int64_t out = -1;
    std::unique_ptr<sql::Session> session;
    EXPECT_TRUE(file->connect(false, session).ok());
    const sql::SqlError error =
        session->execute(query, {}, [&](const sql::Row& row) { out = row.integer(0); });
    EXPECT_TRUE(error.ok()) << error.text;
    return out;
  }
  int64_t batches() { return number("SELECT count(*) FROM log"); }
  // Behind the checkpoint tables.
  int64_t unsaved() { return number("SELECT h.seq - c.applied_seq FROM log_head h, checkpoint c"); }

  std::unique_ptr<sqlite::SqliteDatabase> file;
};

// A log and a store on it. Steps of the checkpoint tables come kStepAge apart: after that time what
// was written right behind one is cut to the last row, since a heartbeat comes every second.
struct Server {
  static constexpr base::Duration kStepAge = std::chrono::milliseconds(1500);

  Server(Machine& machine, SharedFile& shared, const std::string& name) {
    sql::SqlOptions options;
    options.housekeeping.name = name;
    options.housekeeping.client_urls = {"http://" + name};
    options.housekeeping.step_age = kStepAge;
    process = std::make_unique<Process>(
        machine, std::make_unique<FlakyDatabase>(*shared.file, faults, 1), std::move(options));
    store::StoreOptions with;
    with.fatal = [](const std::string& sentence) { ADD_FAILURE() << sentence; };
    running = store::make_store(std::move(with), {*process->log, machine.clock, machine.threads,
                                                  machine.logger, process->metrics});
  }
  ~Server() { running->stop(); }

  std::string start() {
    if (std::string wrong = running->start(); !wrong.empty()) return wrong;
    running->set_identity(process->log->cluster_id(), process->log->member_id());
    return running->wait_ready(std::chrono::seconds(10)) ? "" : "it does not become ready";
  }
  model::Error put(const std::string& key) {
    model::Command command;
    command.storage = std::make_unique<std::string>(key);
    model::PutRequest put;
    put.key = put.value = *command.storage;
    command.body = put;
    std::promise<model::Error> answer;
    running->store().propose(std::move(command),
                             [&](model::Reply reply) { answer.set_value(reply.error); });
    return answer.get_future().get();
  }
  // How many keys there are; -1 if the read fails.
  int64_t keys(bool serializable) {
    model::RangeRequest request;
    request.key = request.range_end = std::string_view("\0", 1);
    request.serializable = serializable;
    request.count_only = true;
    std::promise<model::Reply> answer;
    running->store().range(request, [&](model::Reply reply) { answer.set_value(reply); });
    const model::Reply reply = answer.get_future().get();
    etcdserverpb::RangeResponse response;
    if (reply.error != model::Error::kNone || !response.ParseFromString(reply.body)) return -1;
    return response.count();
  }

  Faults faults;
  std::unique_ptr<Process> process;
  std::unique_ptr<store::RunningStore> running;
};

// Waits for something that another thread does.
inline bool eventually(const std::function<bool()>& condition) {
  for (int i = 0; i < 1000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

}  // namespace keelson::tests
