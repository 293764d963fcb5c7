#include "shim/config/arguments.h"

#include "shim/config/text.h"

namespace keelson::config {

ArgumentsResult parse_arguments(const std::vector<std::string>& arguments, Values& values) {
  ArgumentsResult result;
  size_t i = 0;
  auto fail = [&](std::string text) {
    result.error = std::move(text);
    return result;
  };
  for (; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (argument.size() < 2 || argument[0] != '-') break;
    if (argument == "--") {
      ++i;
      break;
    }
    std::string name = argument.substr(argument[1] == '-' ? 2 : 1);
    if (name.empty() || name[0] == '-' || name[0] == '=')
      return fail("bad flag syntax: " + argument);
    size_t equals = name.find('=');
    bool has_value = equals != std::string::npos;
    std::string value = has_value ? name.substr(equals + 1) : "";
    name.resize(has_value ? equals : name.size());
    int flag = name.starts_with("yaml:") ? -1 : find_flag(name);
    if (flag < 0) {
      if (name == "help" || name == "h") {
        result.help = true;
        return result;
      }
      return fail("flag provided but not defined: -" + name);
    }
    const FlagSpec& spec = flag_table()[static_cast<size_t>(flag)];
    bool is_bool = spec.type == FlagType::kBool;
    if (!has_value && is_bool) value = "true";
    if (!has_value && !is_bool) {
      if (++i == arguments.size()) return fail("flag needs an argument: -" + name);
      value = arguments[i];
    }
    std::string error = values.set(flag, value);
    if (error.empty()) continue;
    return fail(is_bool ? "invalid boolean value " + quoted(value) + " for -" + name + ": " + error
                        : "invalid value " + quoted(value) + " for flag -" + name + ": " + error);
  }
  result.positional.assign(arguments.begin() + static_cast<ptrdiff_t>(i), arguments.end());
  return result;
}

}  // namespace keelson::config
