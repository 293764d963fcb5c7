"""Runs the fuzz targets and, in the full form, measures which lines of the parsers they reached."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import counts

ROOT = Path(__file__).resolve().parents[2]
FUZZ = ROOT / "build" / "fuzz"
COVERAGE = ROOT / "build" / "coverage"
SECONDS = {"test": 5, "prove": 60}
LEAST_COVERAGE = 80  # per cent of a file's lines

# Every file that parses what comes from outside: a connection, a disk, a command line.
PARSERS = (
    # HTTP/2 and HTTP/1.1 input, gRPC framing.
    "shim/transport/deframe.cc",
    "shim/transport/grpc_wire.cc",
    "shim/transport/h2_callbacks.cc",
    "shim/transport/h2_http.cc",
    "shim/transport/h2_request.cc",
    "shim/transport/h2_session.cc",
    "shim/transport/http1_parser.cc",
    "shim/transport/http1_session.cc",
    "shim/transport/inflate.cc",
    "shim/transport/request_head.cc",
    # Requests, and commands in the log.
    "api/base/wire.h",
    "api/model/kv_codec.cc",
    "backends/engine/command_codec.cc",
    "backends/engine/extensions.cc",
    # The write-ahead log.
    "raft/core/codec.cc",
    "raft/wal/record.cc",
    "raft/wal/recovery.cc",
    "raft/wal/segment.cc",
    "backends/native/conf_change_json.cc",
    # The database file and what its rows become.
    "backends/bbolt/reader.cc",
    "backends/native/checkpoint_file.cc",
    "backends/engine/member_json.cc",
    "backends/engine/restore.cc",
    # Flags, environment, YAML.
    "shim/config/arguments.cc",
    "shim/config/backend.cc",
    "shim/config/bootstrap.cc",
    "shim/config/conninfo.cc",
    "shim/config/kine.cc",
    "shim/config/load.cc",
    "shim/config/mask.cc",
    "shim/config/url.cc",
    "shim/config/validate.cc",
    "shim/config/values.cc",
    "shim/config/yaml_file.cc",
)


def _build(preset, say):
    command = (f"cmake --preset {preset} >/dev/null && cmake --build build/{preset} "
               f"-j {os.cpu_count()} --target fuzz_all | tail -n 30")
    run = subprocess.run(["bash", "-o", "pipefail", "-c", command], cwd=ROOT)
    if run.returncode != 0:
        say(f"the preset {preset} does not build")
    return run.returncode == 0


def _targets(build):
    return sorted(path for path in (build / "fuzz").glob("fuzz_*") if path.is_file())


def _run_target(target, seconds):
    """Begins with the seeds and what earlier runs found, and adds to the latter."""
    corpus = FUZZ / "corpus" / target.name
    corpus.mkdir(parents=True, exist_ok=True)
    found = [str(corpus)]
    if (FUZZ / "seeds" / target.name).is_dir():
        found.append(str(FUZZ / "seeds" / target.name))
    return subprocess.run([str(target), f"-max_total_time={seconds}", "-timeout=10",
                           "-rss_limit_mb=2048", "-print_final_stats=1", *found],
                          cwd=target.parent, capture_output=True, text=True, errors="replace")


def run(mode, say):
    """(counts, failures) of a run in the mode `test` or `prove`."""
    if not _build("fuzz", say):
        return counts.Counts(failed=1), [("fuzz", "the fuzz targets do not build")]
    total, failures = counts.Counts(), []
    shutil.rmtree(FUZZ / "seeds", ignore_errors=True)
    subprocess.run([str(FUZZ / "tests" / "fuzz" / "make_seeds"), str(FUZZ / "seeds")], check=True)
    for target in _targets(FUZZ):
        done = _run_target(target, SECONDS[mode])
        ok = done.returncode == 0
        total.add(counts.Counts(int(ok), int(not ok)))
        if not ok:
            failures.append((target.name, done.stderr))
    if total.passed + total.failed == 0:
        total.failed, failures = 1, [("fuzz", "no fuzz target was built")]
    if mode == "prove" and not failures:
        covered, uncovered = measure(say)
        total.add(covered)
        failures += uncovered
    return total, failures


def measure(say):
    """Runs the seeds and the found inputs once more, in a build that counts lines."""
    if not _build("coverage", say):
        return counts.Counts(failed=1), [("coverage", "the coverage build does not build")]
    profiles = COVERAGE / "profiles"
    shutil.rmtree(profiles, ignore_errors=True)
    profiles.mkdir()
    targets = _targets(COVERAGE)
    for target in targets:
        folders = [str(FUZZ / kind / target.name) for kind in ("corpus", "seeds")
                   if (FUZZ / kind / target.name).is_dir()]
        env = dict(os.environ, LLVM_PROFILE_FILE=str(profiles / f"{target.name}.raw"))
        done = subprocess.run([str(target), "-runs=0", *folders], cwd=target.parent, env=env,
                              capture_output=True, text=True, errors="replace")
        if done.returncode != 0:
            return counts.Counts(failed=1), [(target.name, done.stderr)]
    return report(profiles, targets, say)


def report(profiles, targets, say):
    merged = profiles / "all"
    subprocess.run(["llvm-profdata-14", "merge", "-sparse", "-o", str(merged),
                    *map(str, sorted(profiles.glob("*.raw")))], check=True)
    objects = [str(targets[0])]
    for target in targets[1:]:
        objects += ["-object", str(target)]
    text = subprocess.run(["llvm-cov-14", "export", "-summary-only", f"-instr-profile={merged}",
                           *objects], check=True, capture_output=True, text=True).stdout
    # The compiler is handed paths that are relative to the build folder.
    percent = {os.path.relpath(os.path.realpath(f["filename"]), ROOT): f["summary"]["lines"]["percent"]
               for f in json.loads(text)["data"][0]["files"]}
    total, failures = counts.Counts(), []
    for path in PARSERS:
        value = percent.get(path, 0)
        ok = value >= LEAST_COVERAGE
        say(f"coverage {path}: {value:.1f} % of its lines{'' if ok else f', under {LEAST_COVERAGE}'}")
        total.add(counts.Counts(int(ok), int(not ok)))
        if not ok:
            failures.append((path, f"{value:.1f} % of its lines were reached"))
    return total, failures
