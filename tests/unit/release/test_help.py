"""``--help`` of everything that is run by hand is help, and nothing else happens; the programs say their version."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from demo.isolate import REPOSITORY

BIN = Path(sys.executable).parent
SCRIPTS = sorted(tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["scripts"])
MODULES = sorted(
    str(path.parent.relative_to(REPOSITORY)).replace("/", ".")
    for folder in ("bench", "demo", "tests", "tools")
    for path in (REPOSITORY / folder).rglob("__main__.py")
)
MORE = (
    ("-m", "bench.make_log"),
    ("-m", "tests.fuzz.run"),
    ("-m", "tools.manual"),
    ("-m", "tools.release.artefacts"),
    ("hostconfig/build_layout.py",),
    ("hostconfig/build_pyz.py",),
    ("tests/packages.py",),
    ("tests/providers/install.py",),
    ("tests/releases.py",),
    ("tests/run.py",),
    ("tests/vectors/make.py",),
)
"""What make and people start besides; the other files with a main are started by programs, with their own words."""


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("words", [*(("-m", name) for name in MODULES), *MORE], ids=lambda words: words[-1])
def test_help_is_help(words: tuple[str, ...]) -> None:
    done = run(sys.executable, *words, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: ")


def test_every_program_says_its_version(tmp_path: Path) -> None:
    version = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
    assert len(SCRIPTS) == 4
    for name in SCRIPTS:
        done = run(BIN / name, "--version")
        assert (done.returncode, done.stdout, done.stderr) == (0, f"{name} {version}\n", "")
    one_file = tmp_path / "ssh-jit-host.pyz"
    run(sys.executable, "hostconfig/build_pyz.py", one_file)
    done = run(sys.executable, one_file, "--version")
    assert done.stdout.startswith(f"ssh-jit-host {version}")
