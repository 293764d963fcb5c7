"""The tracked files of the repository, read once."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def tracked(*suffixes):
    """Paths (relative, posix) of tracked and not ignored files with one of the suffixes, sorted."""
    out = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                         capture_output=True, text=True, check=True).stdout
    names = [n for n in out.splitlines() if (ROOT / n).is_file()]
    return sorted(n for n in names if not suffixes or n.endswith(suffixes))


def text(name):
    return (ROOT / name).read_text(encoding="utf-8", errors="replace")
