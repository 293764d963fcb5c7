#!/usr/bin/env python3
"""Holds the undefined symbols of the engine's library against the list of allowed ones.

The engine is a pure function of its commands: it may allocate, compare and lock its own mutex, but
not read a clock, a file, a socket or randomness, nor start a thread. Usage: nm library list.
"""
import re
import subprocess
import sys

# No list may allow these, whoever edits it.
NEVER = re.compile(
    r"clock|time\b|_time|gettime|localtime|chrono.*now|\bNow\(|open|fopen|fstream|filebuf|socket|connect|"
    r"send|recv|pthread_create|thread\d*C|random|getrandom|rand\b|getenv|sleep|epoll|poll|fork|exec")


def undefined(nm, library):
    text = subprocess.run([nm, "--undefined-only", "--demangle", library], check=True,
                          capture_output=True, text=True).stdout
    defined = subprocess.run([nm, "--defined-only", "--demangle", library], check=True,
                             capture_output=True, text=True).stdout
    own = {line.split(None, 2)[2] for line in defined.splitlines() if len(line.split(None, 2)) == 3}
    wanted = {line.split(None, 1)[1] for line in text.splitlines() if line.strip().startswith("U ")}
    return wanted - own


def matches(symbol, pattern):
    parts = pattern.split("*")
    if len(parts) == 1:
        return symbol == pattern
    return symbol.startswith(parts[0]) and symbol.endswith(parts[-1])


def main():
    nm, library, path = sys.argv[1:]
    symbols = undefined(nm, library)
    with open(path, encoding="utf-8") as listed:
        patterns = [line.strip() for line in listed if line.strip() and line[0] != "#"]
    bad = sorted(s for s in symbols if not any(matches(s, p) for p in patterns))
    never = sorted(s for s in symbols if NEVER.search(s))
    for symbol in bad:
        print(f"undefined symbol not in the list of allowed ones: {symbol}")
    for symbol in never:
        print(f"symbol that no pure module may use: {symbol}")
    if not symbols:
        print("no symbols found: is this the right library?")
    sys.exit(1 if bad or never or not symbols else 0)


main()
