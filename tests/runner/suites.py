"""The suites of `./dev test` and `./dev prove`, fast ones first. docs/testing.md describes them."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Suite:
    name: str
    kind: str  # "ctest": GoogleTest and scripts under ctest; "go": a Go package; "fuzz": libFuzzer targets; "script"
    package: str = ""  # of a Go suite, below compat/; the path of a script
    tools: tuple = ()  # what compat/tools/build must have built
    prove: dict = field(default_factory=dict)  # environment of the full form
    timeout: int = 900  # seconds of the short form
    prove_timeout: int = 4 * 3600
    parallel: int = 0  # most tests of a Go package at once; 0: one per core
    prove_only: bool = False  # too long, or too much of the machine, for every change


SUITES = [
    Suite("unit", "ctest"),
    Suite("harness", "go", "harness", ("etcd",)),
    Suite("conformance", "go", "conformance", ("etcd",), parallel=4),  # they mostly wait
    Suite("differential", "go", "differential", ("etcd",), {"KEELSON_PROVE": "1"}),
    Suite("etcdctl", "go", "etcdctl", ("etcd", "etcdctl", "etcdutl"), {"KEELSON_PROVE": "1"}),
    Suite("metrics", "go", "metrics", ("etcd",)),
    Suite("interop", "go", "interop", (), {"KEELSON_PROVE": "1"}),
    Suite("kill", "go", "kill", (), {"KEELSON_PROVE": "1"}),
    Suite("sql", "go", "sql", (), {"KEELSON_PROVE": "1"}, parallel=4),
    Suite("migrate", "go", "migrate", ("etcd", "etcdctl", "etcdutl", "kine"), {"KEELSON_PROVE": "1"}),
    Suite("watchmem", "go", "watchmem", (), {"KEELSON_PROVE": "1"}),
    Suite("kube", "go", "kube", ("kube-apiserver",), {"KEELSON_PROVE": "1"}),
    Suite("fuzz", "fuzz"),
    Suite("fresh", "script", "tests/fresh/run", prove_only=True),
]


def by_name(name):
    for suite in SUITES:
        if suite.name == name:
            return suite
    known = ", ".join(s.name for s in SUITES)
    raise SystemExit(f"no suite {name!r}; there are: {known}")
