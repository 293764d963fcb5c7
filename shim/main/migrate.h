// The subcommand `keelson migrate`: its flags, its progress, its exit code.
#pragma once

#include <string>
#include <vector>

namespace keelson::main {

// `arguments` are those behind the word "migrate". Returns the exit code: 0 done and verified, 1
// not done (a sentence stands on stderr), 2 wrong usage. Called on the main thread, before there
// are others.
int migrate_command(const std::vector<std::string>& arguments);

}  // namespace keelson::main
