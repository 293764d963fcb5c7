"""Runs the suites and closes with one line of counts. Called by ./dev, which installs what is needed."""

import os
import subprocess
import sys
import time
from pathlib import Path

import counts
import fuzz
import suites

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "release"
COMPAT = ROOT / "compat"


def say(text):
    print(text, flush=True)


def run_bash(command):
    return subprocess.run(["bash", "-o", "pipefail", "-c", command], cwd=ROOT).returncode


def shell(command):
    """Runs a bash command; ends the run when it fails, since nothing after it could be trusted."""
    status = run_bash(command)
    if status != 0:
        say(f"failed ({status}): {command}")
        say("0 passed, 1 failed, 0 skipped")
        sys.exit(1)


def go_command(arguments):
    return ["bash", "-c", f'. compat/tools/go-env && cd compat && exec "$@"', "go", *arguments]


def build_release():
    shell("cmake --preset release -DKEELSON_TESTS=ON >/dev/null && "
          f"cmake --build build/release -j {os.cpu_count()} | tail -n 3")


def build_tools(names):
    if names:
        shell("compat/tools/build " + " ".join(names))


def run_ctest(suite, mode):
    report = BUILD / "junit.xml"
    report.unlink(missing_ok=True)
    env = dict(os.environ, **(suite.prove if mode == "prove" else {}))
    subprocess.run(["ctest", "--test-dir", str(BUILD), "-j", str(os.cpu_count()), "--output-junit",
                    str(report), "--test-output-size-passed", "4000000",
                    "--test-output-size-failed", "4000000", "-Q"], cwd=ROOT, env=env)
    return counts.of_junit(report)


def run_go(suite, mode):
    env = dict(os.environ, KEELSON_BIN=os.environ.get("KEELSON_BIN", str(BUILD / "keelson")),
               KEELSON_BUILD=str(BUILD), KEELSON_TOOLS=str(COMPAT / "bin"))
    limit = suite.timeout
    if mode == "prove":
        env.update(suite.prove)
        limit = suite.prove_timeout
    parallel = [f"-parallel={suite.parallel}"] if suite.parallel else []
    command = go_command(["go", "test", "-json", "-count=1", f"-timeout={limit}s", *parallel,
                          f"./{suite.package}/..."])
    run = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True)
    lines = run.stdout.readlines()
    run.wait()
    result, failures = counts.of_go_json(lines)
    if run.returncode != 0 and result.failed == 0:
        result.failed = 1
    if result.failed and not failures:
        failures = [(suite.package, "".join(lines[-60:]))]
    return result, failures


def run_fuzz(suite, mode):
    del suite
    return fuzz.run(mode, say)


def run_script(suite, mode):
    del mode  # a script has one form
    run = subprocess.run([str(ROOT / suite.package)], cwd=ROOT, capture_output=True, text=True)
    if run.returncode == 0:
        return counts.Counts(passed=1), []
    return counts.Counts(failed=1), [(suite.package, run.stdout + run.stderr)]


RUNNERS = {"ctest": run_ctest, "go": run_go, "fuzz": run_fuzz, "script": run_script}


def excerpt(output):
    """A failed test's output: both ends, for the reason is at one and the servers' logs at the other."""
    head, tail = 6000, 6000
    return output if len(output) <= head + tail else f"{output[:head]}\n[...]\n{output[-tail:]}"


def run_suites(mode, chosen):
    build_release()
    total, failed = counts.Counts(), []
    for suite in chosen:
        started = time.monotonic()
        build_tools(suite.tools)
        result, failures = RUNNERS[suite.kind](suite, mode)
        for name, output in failures:
            say(f"---- {suite.name}: {name}\n{excerpt(output)}")
        if result.passed + result.failed == 0:
            result.failed = 1  # a suite without a test is a broken suite
        if result.failed:
            failed.append(suite.name)
        total.add(result)
        say(f"suite {suite.name}: {result.passed} ok, {result.failed} not ok, "
            f"{result.skipped} not run, {time.monotonic() - started:.0f} s ({mode} form)")
    if failed:
        say("failed suites: " + " ".join(failed))
    say(total.line())
    return 1 if total.failed or total.skipped else 0


def measure(program, arguments, tools):
    """Runs one of the measuring programs below compat/ with what it needs built."""
    build_release()
    build_tools(tools)
    env = dict(os.environ, KEELSON_BIN=str(BUILD / "keelson"), KEELSON_TOOLS=str(COMPAT / "bin"))
    return subprocess.run(go_command(["go", "run", "./" + program, *arguments]), cwd=ROOT, env=env).returncode


def bench(arguments):
    return measure("bench", arguments, ("kine",) if "-kine" in arguments or "--kine" in arguments else ("etcd",))


def swap(arguments):
    peers = [tool for tool in ("etcd", "kine") if any(word.startswith(tool) for word in arguments)]
    return measure("swap", arguments, ("kube-apiserver", *peers))


def main():
    mode, names = sys.argv[1], sys.argv[2:]
    if mode in ("bench", "swap"):
        return bench(names) if mode == "bench" else swap(names)
    if mode == "prove" and not names:
        raise SystemExit("name the suites to prove: " + ", ".join(s.name for s in suites.SUITES))
    everyday = [s for s in suites.SUITES if not s.prove_only]
    chosen = [suites.by_name(n) for n in names] if names else everyday
    return run_suites(mode, chosen)


if __name__ == "__main__":
    sys.exit(main())
