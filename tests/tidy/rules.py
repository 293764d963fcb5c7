"""Style rules as functions from (path, text) to a list of complaints. Each has a self-test."""

import re

COLUMNS = 100
FUNCTION_LINES = 70
SOURCE_LINES = 500
HEADER_LINES = 250

# Pattern, what to do instead, folders that may.
BANNED = [
    (r"\b\w+_clock::now|\bclock_gettime\(|\bgettimeofday\(|(?<![\w.>])time\((?:nullptr|NULL|0|&\w+)\)", "base::Clock",
     ("shim/os/", "tests/")),
    (r"\bstd::random_device|\brand\(|\bsrand\(", "base::Random", ("shim/os/", "tests/")),
    (r"\bsleep_for\(|\busleep\(", "a timer or a condition", ("shim/os/", "tests/")),
    (r"(?<![\w_])assert\(", "KEELSON_CHECK", ()),
    (r"\bstd::(?:cout|cerr|clog)\b|\b(?:stdout|stderr)\b|\bprintf\(|(?:std)?::(?:puts|putchar|perror)\(", "base::Logger",
     ("shim/main/", "tests/", "api/base/check.cc")),
    (r"\bgetenv\(", "shim/config", ("shim/config/", "shim/os/", "shim/main/", "tests/")),
    (r"\bstd::regex\b", "a hand-written parser: regex recursion can overflow", ("tests/",)),
]


def strip_strings_and_comments(text):
    """The same lines with the content of strings, characters and comments blanked."""
    out, i, state = [], 0, None
    while i < len(text):
        two = text[i:i + 2]
        c = text[i]
        if state is None:
            if two == "//":
                state = "line"
            elif two == "/*":
                state = "block"
            elif c == 'R' and text[i:i + 2] == 'R"':
                end = text.find("(", i)
                delimiter = ")" + text[i + 2:end] + '"'
                close = text.find(delimiter, end)
                close = len(text) if close < 0 else close + len(delimiter)
                out.append("".join(ch if ch == "\n" else " " for ch in text[i:close]))
                i = close
                continue
            elif c == '"' or (c == "'" and not (i and text[i - 1].isalnum())):
                state = c
                out.append(" ")
                i += 1
                continue
            else:
                out.append(c)
                i += 1
                continue
        if state in ('"', "'"):
            if c == "\\":
                out.append("  ")
                i += 2
                continue
            if c == state or c == "\n":
                state = None
            out.append("\n" if c == "\n" else " ")
        elif state == "line":
            if c == "\n":
                state = None
            out.append("\n" if c == "\n" else " ")
        else:
            if two == "*/":
                state = None
                out.append("  ")
                i += 2
                continue
            out.append("\n" if c == "\n" else " ")
        i += 1
    return "".join(out)


def long_lines(path, text):
    return [f"{path}:{n}: {len(line)} columns" for n, line in enumerate(text.split("\n"), 1)
            if len(line) > COLUMNS]


def long_file(path, text):
    limit = HEADER_LINES if path.endswith(".h") else SOURCE_LINES
    lines = text.count("\n")
    return [f"{path}: {lines} lines, the limit is {limit}"] if lines > limit else []


def long_functions(path, text):
    """Functions by shape: an unindented line group ending in `{` up to the `}` in column 0, and
    member functions in a class by brace depth."""
    found, code = [], strip_strings_and_comments(text).split("\n")
    depth, opened = 0, []
    for number, line in enumerate(code, 1):
        for c in line:
            if c == "{":
                opened.append((number, _opens_function(code, number)))
                depth += 1
            elif c == "}" and opened:
                start, function = opened.pop()
                depth -= 1
                if function and number - start + 1 > FUNCTION_LINES:
                    found.append(f"{path}:{start}: function of {number - start + 1} lines")
    return found


_NOT_FUNCTIONS = re.compile(r"\b(namespace|class|struct|enum|union|if|for|while|switch|do|else|try|catch|extern)\b")


def _opens_function(code, number):
    head = code[number - 1]
    back = number - 2
    while back >= 0 and number - back < 8 and not re.search(r"[;{}]\s*$", code[back]) and code[back].strip():
        head = code[back] + " " + head
        back -= 1
    before = head[:head.rfind("{")] if "{" in head else head
    if "=" in before.split("(")[0] or "(" not in before:
        return False
    return not _NOT_FUNCTIONS.search(before.split("(")[0])


def banned_calls(path, text):
    code, found = strip_strings_and_comments(text), []
    for pattern, instead, allowed in BANNED:
        if path.startswith(tuple(allowed)) and allowed:
            continue
        for match in re.finditer(pattern, code):
            line = code.count("\n", 0, match.start()) + 1
            found.append(f"{path}:{line}: {match.group(0)}: use {instead}")
    return found


def leftovers(path, text):
    words = r"\b(TODO|FIXME|XXX|GTEST_SKIP|DISABLED_|t\.Skip|pytest\.skip)\b"
    return [f"{path}:{text.count(chr(10), 0, m.start()) + 1}: {m.group(0)}"
            for m in re.finditer(words, text)]


def block_comments(path, text):
    in_code = strip_strings_and_comments(text.replace("/*", "\x01"))
    return [f"{path}: block comment; use //"] if "\x01" in in_code and _is_comment(text) else []


def _is_comment(text):
    return re.search(r"^\s*/\*(?! in| out|[a-z_]+=? ?\*/)", text, re.M) is not None


def purpose(path, text):
    """What a file is for stands on its first line: of a header, and of a source that has none of its own."""
    first = text.lstrip().split("\n", 1)[0]
    return [] if first.startswith("//") else [f"{path}: opens without a sentence on its purpose"]


# Package hosts, in two halves: this file is not to name them either.
HOSTS = [("proxy", "golang"), ("registry", "npmjs"), ("deb", "debian"), ("pypi", "org")]


def machine_paths(path, text):
    hosts = "|".join(rf"{left}\.{right}" for left, right in HOSTS)
    pattern = rf"(/work/|/root/|/home/\w+/|\.\./shared|{hosts})"
    return [f"{path}: names {m.group(0)}" for m in re.finditer(pattern, text)]


def one_title(path, text):
    fenced = re.sub(r"```.*?```", "", text, flags=re.S)
    titles = re.findall(r"^# ", fenced, re.M)
    return [] if len(titles) == 1 else [f"{path}: {len(titles)} titles"]
