// Passwords out of what is logged or shown. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace keelson::config {

// `text` with every password replaced by "***": what stands between the first colon and the last @
// behind "://", and the value behind "password=" (sslpassword too), in quotes or up to a space or
// "&". Where the text is ambiguous too much is hidden, never too little.
std::string masked(std::string_view text);

// A command line, with the values of flags whose names end in "password" hidden as well.
std::vector<std::string> masked(const std::vector<std::string>& arguments);

}  // namespace keelson::config
