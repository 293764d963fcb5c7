"""Style and structure as tests; every rule is also shown to catch a violation."""

import re
import unittest

import layers
import parameters
import rules
import sources
import structure

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

    def fenced(self, header):
        """The real table keeps the engine from this header."""
        return layers.read_table().violations("backends/engine/x.cc", "#include " + header)

    def test_catches(self):
        table = layers.Table("a:\nb: a\n<net/: b\n<thread: b\n<sys/: b\n<unistd.h: b")
        self.assertEqual([], table.violations("b/x.cc", '#include "a/y.h"\n#include <net/if.h>'))
        self.assertTrue(table.violations("a/x.cc", '#include "b/y.h"'))
        self.assertTrue(table.violations("a/x.cc", "#include <net/if.h>"))
        self.assertTrue(table.violations("a/x.cc", "#include <thread>"))
        self.assertEqual([], table.violations("a/x.cc", "#include <threads.h>"))
        self.assertTrue(table.violations("a/x.cc", "#include <sys/stat.h>"))
        self.assertTrue(table.violations("a/x.cc", "#include <unistd.h>"))
        self.assertEqual([], table.violations("b/x.cc", "#include <unistd.h>\n#include <sys/stat.h>"))
        self.assertTrue(self.fenced("<sys/stat.h>") and self.fenced("<unistd.h>") and self.fenced("<fcntl.h>"))
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
        self.assertTrue(rules.long_file("a.cc", "\n" * 501))
        self.assertEqual([], rules.long_file("a.cc", "\n" * 500))

    def test_functions(self):
        self.assertEqual([], complaints(rules.long_functions, cpp()))
        body = "int f(int a,\n      int b) {\n" + "  g();\n" * 80 + "}\n"
        self.assertTrue(rules.long_functions("a.cc", body))
        self.assertEqual([], rules.long_functions("a.cc", "namespace x {\n" + "int a;\n" * 80 + "}\n"))

    def test_parameters(self):
        self.assertEqual([], complaints(parameters.too_many, cpp()))
        for text in ("void f(int a, int b, int c, int d, int e, int g);",
                     "F(int a, std::map<int, int> b,\n  const c::C& c, D* d, std::function<int(int, int)> e, int g = 2) : x(a) {}",
                     "auto f = [&](int a, int& b, C c, D d, E e, bool last) { return a; };"):
            self.assertTrue(parameters.too_many("a.cc", text), text)
        for text in ("void f(int a, std::map<int, int> b, int c, int d, int e);", "f(a, b, c, d, e, g, h);",
                     "x = f(a * 2, b + 1, c, d(1, 2), e, g);",
                     "int on_frame(Session* s, int a, int b, int c, int d, void* user) {"):
            self.assertEqual([], parameters.too_many("a.cc", text), text)

    def test_parameters_of_go(self):
        names = [n for n in sources.tracked(".go") if not n.startswith(GENERATED)]
        self.assertEqual([], complaints(parameters.too_many_go, names))
        for text in ("func (s *S) f(a, b, c, d, e, g int) (int, error) {", "g := func(a, b, c, d, e, f int) {}"):
            self.assertTrue(parameters.too_many_go("a.go", text), text)
        self.assertEqual([], parameters.too_many_go("a.go", "func f[T any](a, b int, c string, d, e func(int, int)) {"))

    def test_banned(self):
        self.assertEqual([], complaints(rules.banned_calls, cpp()))
        for text in ("auto t = std::chrono::steady_clock::now();", "time_t t = time(nullptr);", "std::time(&t);",
                     "std::random_device d;", "usleep(3);", "assert(x);", "std::cerr << 1;", 'fprintf(stderr, "x");',
                     'std::printf("x");', "std::puts(x);", 'getenv("X");', "std::regex r;"):
            self.assertTrue(rules.banned_calls("a.cc", text), text)
        for text in ("lifetime(nullptr);", "record.time(0);", "std::snprintf(a, 3, b);", "uint64_t puts(int);"):
            self.assertEqual([], rules.banned_calls("a.cc", text), text)
        self.assertEqual([], rules.banned_calls("shim/os/a.cc", "auto t = std::chrono::steady_clock::now();"))
        self.assertEqual([], rules.banned_calls("a.cc", "// never assert(x)\nstatic_assert(true);"))

    def test_leftovers(self):
        names = [n for n in sources.tracked(".h", ".cc", ".go", ".py") if not n.startswith("tests/tidy/")]
        self.assertEqual([], complaints(rules.leftovers, names))
        self.assertTrue(rules.leftovers("a.cc", "// TODO: later"))

    def test_purpose(self):
        headers = [n for n in cpp() if n.endswith(".h")]
        self.assertEqual([], complaints(rules.purpose, headers + structure.headless(cpp())))
        self.assertEqual(["b.cc"], structure.headless(["a.h", "a.cc", "b.cc"]))
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
        folders = {n.rsplit("/", 1)[0] for n in product()}
        self.assertEqual(set(), structure.folder_map(page, folders, sources.tracked()))
        row = "| `a/b` | what it holds |\n"
        self.assertEqual(set(), structure.folder_map(row, {"a/b"}, ["a/b/x.cc"]))
        self.assertEqual({"a/c"}, structure.folder_map(row, {"a/b", "a/c"}, ["a/b/x.cc", "a/c/y.cc"]))
        self.assertEqual({"a/b"}, structure.folder_map(row, set(), ["a/bc/x.cc"]))

    def test_headers_are_used(self):
        texts = {name: sources.text(name) for name in cpp()}
        self.assertEqual(set(), structure.unused_headers(texts, layers.INCLUDE))
        texts = {"a/x.h": "", "a/y.h": "", "a/z.cc": '#include "a/x.h"\n#include <y.h>\n'}
        self.assertEqual({"a/y.h"}, structure.unused_headers(texts, layers.INCLUDE))

    def test_matrix_lists_every_rpc(self):
        protos = [sources.text(name) for name in sources.tracked(".proto")]
        self.assertEqual(set(), structure.matrix(protos, sources.text("compat/MATRIX.md")))
        proto = "package p;\nservice S {\n  rpc A(X) returns (Y);\n  rpc B(X) returns (Y);\n}\n"
        self.assertEqual({"p.S/B", "p.S/C"}, structure.matrix([proto], "| p.S/A | x |\n| p.S/C | x |\n"))

    def test_suites_are_documented(self):
        found = structure.suites(sources.text("tests/runner/suites.py"), sources.text("docs/testing.md"))
        self.assertEqual(set(), found)
        self.assertEqual({"b", "c"}, structure.suites('Suite("a"), Suite("b")', "| `a` | x |\n| `c` | x |\n"))


if __name__ == "__main__":
    unittest.main()
