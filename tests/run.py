"""Runs every test folder in a pytest of its own, and says how long each took.

Standard library only. Decides what counts as passing: every folder has tests, none fails, none is skipped. With
``--install`` the system packages that tests need come first (``tests/packages.py``). Names on the command line choose
folders: ``unit``, ``unit/sshjit``, ``architecture`` (the files directly in ``tests/``), ``vectors``, ``providers``,
``integration``, ``system``, ``browser``. After the table stand the tests that failed, each with the end of what it
said, so that the end of a long log tells what is wrong. The last line is ``N passed, N failed``; the exit code is 0
only if that is the whole truth.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

TESTS = Path(__file__).resolve().parent
REPOSITORY = TESTS.parent
LATER = ("vectors", "providers", "integration", "system", "browser")
"""Folders after the unit tests, the quick ones first."""
LONG = ("integration", "unit/hostconfig", "unit/ca", "system", "unit/client", "unit/webapp")
"""The folders that take longest, the longest first: when several run at a time, none is left alone at the end."""
LONGEST = 2400
"""Seconds after which a suite hangs: several times as long as the longest takes on two cores."""
FAILURE_LINES = 12
"""How many of a failed test's last lines are repeated at the end."""
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
class Case:
    """A test: its name, how many seconds it took, whether it passed, failed or was skipped, and what it said then."""

    name: str
    seconds: float
    outcome: str
    text: str


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a suite. ``problem`` is empty, or says what else than a failed test was wrong."""

    name: str
    seconds: float
    cases: tuple[Case, ...]
    problem: str

    def count(self, outcome: str) -> int:
        """How many of its tests ended so."""
        return sum(1 for case in self.cases if case.outcome == outcome)


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
        try:
            done = subprocess.run(
                command,
                check=False,
                cwd=REPOSITORY,
                text=True,
                stdout=out,
                stderr=errors,
                env=environment(os.environ),
                timeout=LONGEST,
            )
        except subprocess.TimeoutExpired as late:
            said = late.stdout or b""
            print(f"{heading}\n{said.decode(errors='replace') if isinstance(said, bytes) else said}", flush=True)
            return Result(suite.name, time.monotonic() - start, (), f"it hung, and was ended after {LONGEST} s")
        if quietly:
            print(f"{heading}\n{done.stdout}", end="", flush=True)
        cases = _cases(report)
    return Result(suite.name, time.monotonic() - start, cases, _problem(done.returncode, cases))


def environment(own: Mapping[str, str]) -> dict[str, str]:
    """The environment of a suite: compiled modules are kept, as they are where our programs are installed.

    Thousands of programs start in a run. Where the machine forbids it, each of them would compile all that it loads.
    """
    return {name: value for name, value in own.items() if name != "PYTHONDONTWRITEBYTECODE"}


def show(results: list[Result]) -> None:
    """The table: time and counts per folder."""
    width = max(len(result.name) for result in results)
    print(f"\n{'folder':<{width}}  {'time':>8}  {'passed':>6}  {'failed':>6}")
    for result in results:
        numbers = f"{result.seconds:>6.1f} s  {result.count('passed'):>6}  {result.count('failed'):>6}"
        print(f"{result.name:<{width}}  {numbers}  {result.problem}".rstrip())
    print(f"{'all':<{width}}  {sum(result.seconds for result in results):>6.1f} s\n")


def show_failures(results: list[Result]) -> None:
    """Each failed test with the last lines of what it said."""
    for result in results:
        for case in result.cases:
            if case.outcome == "failed":
                last = "\n".join(f"    {line}" for line in case.text.rstrip().splitlines()[-FAILURE_LINES:])
                print(f"failed: {case.name}\n{last}\n")


def show_slowest(results: list[Result], most: int) -> None:
    """The ``most`` tests that took longest."""
    for case in sorted((case for result in results for case in result.cases), key=lambda case: -case.seconds)[:most]:
        print(f"{case.seconds:>6.1f} s  {case.name}")


def main() -> int:
    """Runs what the command line asks for; returns the exit code."""
    parser = argparse.ArgumentParser(prog="tests/run.py", description="Run the tests, folder by folder.")
    parser.add_argument("folders", nargs="*", metavar="FOLDER", help="e.g. unit, unit/sshjit, architecture, system")
    parser.add_argument("--install", action="store_true", help="first install the system packages that tests need")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="run N folders at a time, each output whole")
    parser.add_argument("--quick", action="store_true", help="leave out what starts programs that take long")
    parser.add_argument("--slowest", type=int, default=0, metavar="N", help="also show the N tests that took longest")
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
    show_slowest(results, arguments.slowest)
    show_failures(results)
    troubled = sum(1 for result in results if result.problem and not result.count("failed"))
    failed = sum(result.count("failed") for result in results) + troubled
    print(f"{sum(result.count('passed') for result in results)} passed, {failed} failed")
    return 1 if failed or not results else 0


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith(("_", "."))


def _chosen(suite: Suite, names: list[str]) -> bool:
    return any(suite.name == name.strip("/") or suite.name.startswith(name.strip("/") + "/") for name in names)


def _cases(report: Path) -> tuple[Case, ...]:
    """The tests of pytest's report; an expected failure counts as skipped."""
    if not report.exists():
        return ()
    root = ET.parse(report).getroot()  # noqa: S314 - our own pytest wrote it a moment ago
    return tuple(_case(element) for element in root.iter("testcase"))


def _case(element: ET.Element) -> Case:
    ends = {child.tag: child.text or child.get("message") or "" for child in element}
    outcome = "failed" if ends.keys() & {"failure", "error"} else "skipped" if "skipped" in ends else "passed"
    name = f"{element.get('classname')}::{element.get('name')}"
    return Case(name, float(element.get("time", "0")), outcome, ends.get("failure") or ends.get("error", ""))


def _problem(code: int, cases: tuple[Case, ...]) -> str:
    outcomes = [case.outcome for case in cases]
    if "skipped" in outcomes:
        return f"{outcomes.count('skipped')} skipped: a test that cannot run has failed"
    if code == NO_TESTS or not cases:
        return "no tests here"
    if code != 0 and "failed" not in outcomes:
        return f"pytest ended with {code}"
    return ""


if __name__ == "__main__":
    sys.exit(main())
