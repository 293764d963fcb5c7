// Linearizable reads on a database that others write too: one look at the log's head serves every
// read that waits for it.
#pragma once

#include <condition_variable>
#include <mutex>
#include <vector>

#include "api/base/clock.h"
#include "api/base/threads.h"
#include "backends/log.h"
#include "backends/sql/head.h"
#include "backends/sql/mailbox.h"
#include "backends/sql/session.h"

namespace keelson::sql {

// Thread-safe. It has a thread and a connection of its own, so that a read never waits for a write.
class Barrier {
 public:
  using ReplyDone = base::Done<backends::BarrierReply>;

  Barrier(const Database& database, Mailbox& mailbox, base::Clock& clock)
      : database_(database), mailbox_(mailbox), clock_(clock), head_look_(database) {}

  void start(base::Threads& threads);
  // Answers with the index behind the head as it was after this call; kTimeout when the database
  // does not tell in time.
  void ask(ReplyDone done);
  // Fails what waits since before `limit`, also while the thread waits for the database.
  void expire(base::MonotonicTime limit);
  // Fails what waits and ends the thread.
  void stop();

 private:
  struct Waiting {
    ReplyDone done;
    base::MonotonicTime since;
  };
  void run();
  bool look(backends::BarrierReply& reply);
  static void answer(std::vector<Waiting> waiting, const backends::BarrierReply& reply);

  const Database& database_;
  Mailbox& mailbox_;
  base::Clock& clock_;
  const HeadLook head_look_;
  std::unique_ptr<Session> session_;  // the thread's

  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Waiting> queue_;   // not yet looked for
  std::vector<Waiting> served_;  // by the look that is under way
  bool stopping_ = false;
  std::unique_ptr<base::Thread> thread_;
};

}  // namespace keelson::sql
