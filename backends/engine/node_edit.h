// Changes inside one node that keep its prefix and discriminators true (T3). [writer]
#pragma once

#include "backends/engine/node.h"

namespace keelson::engine {

// Makes room for slot i and names it by `cell`; the other columns of the slot are the caller's.
// REQUIRES: n < kMax.
void open_slot(Node& node, size_t i, Cell* cell);
void close_slot(Node& node, size_t i);
// Slot i is named by another cell.
void rename_slot(Node& node, size_t i, Cell* cell);
// Moves the slots from `at` on to the end of `to`. Both are of one kind.
void move_tail(Node& from, size_t at, Node& to);
// Recomputes the shared prefix and all discriminators.
void refit(Node& node);
void recount(Inner& node);

}  // namespace keelson::engine
