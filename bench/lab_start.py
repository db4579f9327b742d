"""How long the lab takes until it can be used: a person waits for it, and tests begin with it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

from bench.environment import Environment
from bench.processes import PATIENCE, ROOT
from bench.results import Result

RUNS = 3


def lines(_: Environment) -> Iterator[Result]:
    """The shortest of a few starts, each warm: the first of all fetches files and counts for nobody."""
    _until_its_line()
    seconds = min(_until_its_line() for _ in range(RUNS))
    yield Result("lab", "make lab until its line, warm", f"{seconds:.1f} s", "", seconds, "s", 10)


def _until_its_line() -> float:
    """Seconds of the wall clock. Raises ``RuntimeError`` if the lab does not come up."""
    began = time.monotonic()
    with subprocess.Popen([sys.executable, "-m", "demo.lab"], stdout=subprocess.PIPE, cwd=ROOT) as process:
        if process.stdout is None or not process.stdout.readline():
            raise RuntimeError("the lab did not come up")
        seconds = time.monotonic() - began
        process.terminate()
        process.wait(PATIENCE)
    return seconds
