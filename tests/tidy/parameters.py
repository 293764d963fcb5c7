"""The rule of at most five parameters, for C++ declarations, definitions and lambdas, and for Go.

By shape: a parenthesis behind a name (or a lambda's captures) whose parts are all `type name`.
"""

import re

import rules

PARAMETERS = 5

# `type name`, `const type<...>& name`, `type&`; a default value and array brackets are cut before.
_TYPED = re.compile(r"^(?:\[\[\w+\]\]\s*)?(?:const\s+|unsigned\s+|struct\s+)*[A-Za-z_][\w:]*(?:<.*>)?(?:::\w+)*"
                    r"(?:\s+const)?(?:\s*(?:\.\.\.|[&*])+\s*|\s+)(?:const\s+)?\w+$", re.S)
_BARE = re.compile(r"^(?:const\s+)?[A-Za-z_][\w:]*(?:<.*>)?(?:\s*[&*]+)?$", re.S)


def split(text):
    """The parts between the commas that stand in no bracket."""
    parts, depth, start = [], 0, 0
    for i, c in enumerate(text):
        arrow = c == ">" and i and text[i - 1] == "-"
        if c in "([{<":
            depth += 1
        elif c in ")]}>" and not arrow:
            depth -= 1
        elif c == "," and depth == 0:
            parts.append(text[start:i].strip())
            start = i + 1
    last = text[start:].strip()
    return parts + [last] if last else parts


def closing(text, opening):
    """Where the bracket that opens at `opening` closes; the end if it does not."""
    depth = 0
    for i in range(opening, len(text)):
        depth += {"(": 1, ")": -1}.get(text[i], 0)
        if depth == 0:
            return i
    return len(text)


def _callback(parts):
    """A C library's callback, whose parameters are given, ends with its user data."""
    return re.match(r"^void\s*\*\s*\w*$", parts[-1]) is not None


def _are_parameters(parts):
    typed = 0
    for part in parts:
        part = re.sub(r"\s*=.*$|\[\w*\]$", "", part, flags=re.S).strip()
        # In a function pointer `void (*f)(int)` the name stands inside.
        if _TYPED.match(part) or re.match(r"^[\w:<>&* ]+\(\*\w+\)\s*\(", part):
            typed += 1
        elif not _BARE.match(part):
            return False
    return typed * 2 > len(parts)


def too_many(path, text):
    code, found = rules.strip_strings_and_comments(text), []
    for match in re.finditer(r"[\w\]>=!+]\s*\(", code):
        opening = match.end() - 1
        parts = split(code[opening + 1:closing(code, opening)])
        if len(parts) > PARAMETERS and _are_parameters(parts) and not _callback(parts):
            line = code.count("\n", 0, opening) + 1
            found.append(f"{path}:{line}: {len(parts)} parameters; use a struct of options")
    return found


def too_many_go(path, text):
    code, found = rules.strip_strings_and_comments(text), []
    for match in re.finditer(r"\bfunc\b(?:\s*\([^()]*\)\s*(?=\w))?\s*\w*(?:\[[^\]]*\])?\(", code):
        opening = match.end() - 1
        parts = split(code[opening + 1:closing(code, opening)])
        if len(parts) > PARAMETERS:
            line = code.count("\n", 0, opening) + 1
            found.append(f"{path}:{line}: {len(parts)} parameters; use a struct of options")
    return found
