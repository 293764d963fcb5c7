// The checker behind Engine::check(): the numbered invariants of the engine's types.
#include "backends/engine/core.h"

namespace keelson::engine {

using model::Record;

std::string Core::check() const {
  std::string wrong = check_tree(*tree_.root());
  if (wrong.empty()) wrong = check_revision_log(log_.view());
  if (!wrong.empty()) return wrong;
  size_t attached = 0;
  size_t linked = 0;
  scan(*tree_.root(), {"", std::string_view("\0", 1)},
       [&](const Leaf& leaf, size_t begin, size_t end) {
         for (size_t i = begin; i < end && wrong.empty(); ++i) {
           const Record* newest = leaf.cells[i]->newest();
           // Version chains descend by revision and stay on their key.
           for (const Record* r = newest; r != nullptr && wrong.empty(); r = r->previous()) {
             const Record* older = r->previous();
             if (r->key() != newest->key()) wrong = "chain of several keys";
             if (older != nullptr &&
                 std::pair(older->mod(), older->sub()) >= std::pair(r->mod(), r->sub())) {
               wrong = "chain does not descend";
             }
           }
           if (newest->lease() != 0 && leases_.contains(newest->lease())) ++linked;
         }
         return wrong.empty();
       });
  for (LeaseId id : leases_.ids()) {
    for (const std::string& key : leases_.keys(id)) {
      ++attached;
      const Cell* cell = find(*tree_.root(), key);
      if (cell == nullptr || cell->newest()->lease() != id) return "S1: key without its lease";
    }
  }
  if (wrong.empty() && attached != linked) return "S1: lease without its key";
  return wrong;
}

}  // namespace keelson::engine
