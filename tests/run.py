"""Runs every test folder in a pytest of its own, and says how long each took.

Standard library only. Decides what counts as passing: every folder has tests, none fails, none is skipped. With
``--install`` the system packages that tests need come first (``tests/packages.py``). Names on the command line choose
folders: ``unit``, ``unit/sshjit``, ``architecture`` (the files directly in ``tests/``), ``vectors``, ``integration``,
``system``, ``browser``. The last line is ``N passed, N failed``; the exit code is 0 only if that is the whole truth.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

TESTS = Path(__file__).resolve().parent
REPOSITORY = TESTS.parent
LATER = ("vectors", "integration", "system", "browser")
"""Folders after the unit tests, the quick ones first."""
LONG = ("system", "unit/ca", "integration")
"""Folders that begin first when several run at a time, so that none of them is left alone at the end."""
FILES = "architecture"
"""What the test files directly in ``tests/`` are called here."""
NO_TESTS = 5
"""pytest's exit code when it found none."""


@dataclass(frozen=True, slots=True)
class Suite:
    """A folder of tests, or the files directly in ``tests/``."""

    name: str
    paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a suite. ``problem`` is empty, or says what else than a failed test was wrong."""

    name: str
    seconds: float
    passed: int
    failed: int
    problem: str


def suites(chosen: list[str]) -> list[Suite]:
    """The suites there are, in the order in which they run; with names in ``chosen``, only those and what is below."""
    every = [Suite(f"unit/{path.name}", (path,)) for path in sorted((TESTS / "unit").iterdir()) if _is_folder(path)]
    every.append(Suite(FILES, tuple(sorted(TESTS.glob("test_*.py")))))
    every += [Suite(name, (TESTS / name,)) for name in LATER if (TESTS / name).is_dir()]
    unknown = [name for name in chosen if not any(_chosen(suite, [name]) for suite in every)]
    if unknown:
        sys.exit(f"run.py: there is no test folder {', '.join(unknown)}; there are {', '.join(s.name for s in every)}")
    return [suite for suite in every if not chosen or _chosen(suite, chosen)]


def run(suite: Suite, *, quietly: bool, quick: bool) -> Result:
    """Runs one suite. pytest writes to the terminal as it goes, or, ``quietly``, when it is done."""
    heading = f"\n\033[1m{suite.name}\033[0m" if sys.stdout.isatty() else f"\n{suite.name}"
    if not quietly:
        print(heading, flush=True)
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch, "report.xml")
        options = [
            "-q",
            "--no-header",
            f"--junitxml={report}",
            "-o",
            "junit_family=xunit2",
            *(["--quick"] if quick else []),
        ]
        command = [sys.executable, "-m", "pytest", *options, *map(str, suite.paths or (TESTS / "none",))]
        out, errors = (subprocess.PIPE, subprocess.STDOUT) if quietly else (None, None)
        done = subprocess.run(command, check=False, cwd=REPOSITORY, text=True, stdout=out, stderr=errors)
        if quietly:
            print(f"{heading}\n{done.stdout}", end="", flush=True)
        passed, failed, skipped = _counts(report)
    return Result(
        suite.name, time.monotonic() - start, passed, failed, _problem(done.returncode, passed, failed, skipped)
    )


def show(results: list[Result]) -> None:
    """The table: time and counts per folder."""
    width = max(len(result.name) for result in results)
    print(f"\n{'folder':<{width}}  {'time':>8}  {'passed':>6}  {'failed':>6}")
    for result in results:
        numbers = f"{result.seconds:>6.1f} s  {result.passed:>6}  {result.failed:>6}"
        print(f"{result.name:<{width}}  {numbers}  {result.problem}".rstrip())
    print(f"{'all':<{width}}  {sum(result.seconds for result in results):>6.1f} s\n")


def main() -> int:
    """Runs what the command line asks for; returns the exit code."""
    parser = argparse.ArgumentParser(prog="tests/run.py", description="Run the tests, folder by folder.")
    parser.add_argument("folders", nargs="*", metavar="FOLDER", help="e.g. unit, unit/sshjit, architecture, system")
    parser.add_argument("--install", action="store_true", help="first install the system packages that tests need")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="run N folders at a time, each output whole")
    parser.add_argument("--quick", action="store_true", help="leave out what starts programs that take long")
    arguments = parser.parse_args()
    if arguments.install:
        code = subprocess.run([sys.executable, str(TESTS / "packages.py")], check=False).returncode
        if code:
            return code
    chosen = suites(arguments.folders)
    if arguments.jobs > 1:
        chosen.sort(key=lambda suite: LONG.index(suite.name) if suite.name in LONG else len(LONG))
    with ThreadPoolExecutor(arguments.jobs) as workers:
        start = partial(run, quietly=arguments.jobs > 1, quick=arguments.quick)
        results = list(workers.map(start, chosen))
    show(results)
    troubled = sum(1 for result in results if result.problem and not result.failed)
    failed = sum(result.failed for result in results) + troubled
    print(f"{sum(result.passed for result in results)} passed, {failed} failed")
    return 1 if failed or not results else 0


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith(("_", "."))


def _chosen(suite: Suite, names: list[str]) -> bool:
    return any(suite.name == name.strip("/") or suite.name.startswith(name.strip("/") + "/") for name in names)


def _counts(report: Path) -> tuple[int, int, int]:
    """Passed, failed and skipped tests of pytest's report; an expected failure counts as skipped."""
    if not report.exists():
        return 0, 0, 0
    root = ET.parse(report).getroot()  # noqa: S314 - our own pytest wrote it a moment ago
    total = failed = skipped = 0
    for case in root.iter("testcase"):
        outcomes = {child.tag for child in case}
        total += 1
        failed += bool(outcomes & {"failure", "error"})
        skipped += "skipped" in outcomes and not outcomes & {"failure", "error"}
    return total - failed - skipped, failed, skipped


def _problem(code: int, passed: int, failed: int, skipped: int) -> str:
    if skipped:
        return f"{skipped} skipped: a test that cannot run has failed"
    if code == NO_TESTS or passed + failed == 0:
        return "no tests here"
    if code != 0 and not failed:
        return f"pytest ended with {code}"
    return ""


if __name__ == "__main__":
    sys.exit(main())
