"""Style and structure as tests; every rule is also shown to catch a violation."""

import re
import unittest

import layers
import rules
import sources

GENERATED = ("compat/tools/",)


def complaints(rule, names):
    found = []
    for name in names:
        found += rule(name, sources.text(name))
    return found


def cpp():
    return sources.tracked(".h", ".cc")


def product():
    return [n for n in cpp() if not n.startswith("tests/")]


class Layers(unittest.TestCase):
    def test_includes(self):
        table = layers.read_table()
        found = []
        for name in cpp():
            found += table.violations(name, sources.text(name))
        self.assertEqual([], found)

    def test_no_cycle(self):
        self.assertIsNone(layers.read_table().cycle())

    def test_catches(self):
        table = layers.Table("a:\nb: a\n<net/: b\n<thread: b")
        self.assertEqual([], table.violations("b/x.cc", '#include "a/y.h"\n#include <net/if.h>'))
        self.assertTrue(table.violations("a/x.cc", '#include "b/y.h"'))
        self.assertTrue(table.violations("a/x.cc", "#include <net/if.h>"))
        self.assertTrue(table.violations("a/x.cc", "#include <thread>"))
        self.assertEqual([], table.violations("a/x.cc", "#include <threads.h>"))
        self.assertTrue(table.violations("c/x.cc", ""))
        self.assertTrue(layers.Table("a: b\nb: a").cycle())


class Style(unittest.TestCase):
    def test_columns(self):
        self.assertEqual([], complaints(rules.long_lines, cpp()))
        self.assertTrue(rules.long_lines("a.cc", "x" * 101))

    def test_files(self):
        names = cpp() + [n for n in sources.tracked(".go", ".py") if not n.startswith(GENERATED)]
        self.assertEqual([], complaints(rules.long_file, names))
        self.assertTrue(rules.long_file("a.h", "\n" * 251))

    def test_functions(self):
        self.assertEqual([], complaints(rules.long_functions, cpp()))
        body = "int f(int a,\n      int b) {\n" + "  g();\n" * 80 + "}\n"
        self.assertTrue(rules.long_functions("a.cc", body))
        self.assertEqual([], rules.long_functions("a.cc", "namespace x {\n" + "int a;\n" * 80 + "}\n"))

    def test_banned(self):
        self.assertEqual([], complaints(rules.banned_calls, cpp()))
        self.assertTrue(rules.banned_calls("a.cc", "auto t = std::chrono::steady_clock::now();"))
        self.assertEqual([], rules.banned_calls("a.cc", "// never assert(x)\nstatic_assert(true);"))

    def test_leftovers(self):
        names = [n for n in sources.tracked(".h", ".cc", ".go", ".py") if not n.startswith("tests/tidy/")]
        self.assertEqual([], complaints(rules.leftovers, names))
        self.assertTrue(rules.leftovers("a.cc", "// TODO: later"))

    def test_purpose(self):
        self.assertEqual([], complaints(rules.purpose, [n for n in product() if n.endswith(".h")]))
        self.assertTrue(rules.purpose("a.h", "#pragma once\n"))

    def test_block_comments(self):
        self.assertEqual([], complaints(rules.block_comments, product()))
        self.assertTrue(rules.block_comments("a.cc", "/* why\n*/\nint x;"))


class Structure(unittest.TestCase):
    def test_machine_paths(self):
        names = [n for n in sources.tracked() if not n.startswith("tests/tidy/")]
        self.assertEqual([], complaints(rules.machine_paths, names))
        self.assertTrue(rules.machine_paths("a.md", "see /work/x"))

    def test_titles(self):
        names = sources.tracked(".md")
        self.assertEqual([], complaints(rules.one_title, names))
        self.assertTrue(rules.one_title("a.md", "# a\n# b\n"))

    def test_folder_map(self):
        """Every folder with sources is named in the folder table of docs/ARCHITECTURE.md."""
        page = sources.text("docs/ARCHITECTURE.md").split("## Layers")[0]
        listed = set(re.findall(r"^\| `([a-z/_0-9]+)`", page, re.M))
        folders = {n.rsplit("/", 1)[0] for n in product()}
        self.assertEqual(set(), folders - listed)
        built = {n.rsplit("/", 1)[0] for n in sources.tracked()}
        self.assertEqual(set(), {f for f in listed if not any(b.startswith(f) for b in built)})

    def test_headers_are_used(self):
        included = set()
        for name in cpp():
            included |= {own for own, _ in layers.INCLUDE.findall(sources.text(name)) if own}
        headers = {n for n in cpp() if n.endswith(".h")}
        self.assertEqual(set(), headers - included)

    def test_matrix_lists_every_rpc(self):
        rpcs = set()
        for name in sources.tracked(".proto"):
            text = sources.text(name)
            package = re.search(r"^package ([\w.]+);", text, re.M).group(1)
            for service, body in re.findall(r"^service (\w+) \{(.*?)^\}", text, re.M | re.S):
                rpcs |= {f"{package}.{service}/{m}" for m in re.findall(r"rpc (\w+)", body)}
        rows = set(re.findall(r"^\| ([\w.]+/\w+) \|", sources.text("compat/MATRIX.md"), re.M))
        rows = {r for r in rows}
        contract = {r for r in rpcs if not r.startswith("grpc.testing")}
        self.assertEqual(contract, rows)

    def test_suites_are_documented(self):
        names = re.findall(r'Suite\("([\w-]+)"', sources.text("tests/runner/suites.py"))
        page = sources.text("docs/testing.md")
        self.assertEqual([], [n for n in names if f"| `{n}` |" not in page])


if __name__ == "__main__":
    unittest.main()
