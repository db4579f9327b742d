"""``python -m bench LINE --against COMMIT``: the same line here and on another commit, in turn, and the ratio.

Both sides are up all the time and measured by turns, each in its own process, so whatever slows the machine slows both.
Loads are measured as fast as they go, and then both at half of what the other commit can do.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

from bench import checkout
from bench.processes import PATIENCE, ROOT
from bench.results import columns
from bench.side import Numbers, Order

SECONDS = 1.5
HEAD = ("line", "what", "theirs", "ours", "ours / theirs", "by the best")
BEST: Mapping[str, Callable[..., float]] = {"rate": max}
"""Of anything else the least counts: it is what a quiet machine needs."""
UNITS = {"rate": "/s", "p99": " ms", "is": ""}


@dataclasses.dataclass(frozen=True, slots=True)
class Comparison:
    """What one number was on both sides, round by round: (theirs, ours)."""

    line: str
    what: str
    kind: str
    pairs: Sequence[tuple[float, float]]

    @property
    def ratio(self) -> float:
        """Ours by theirs: the median of the rounds."""
        return median(ours / theirs if theirs else 0.0 for theirs, ours in self.pairs)

    @property
    def by_best(self) -> float:
        """The best of ours by the best of theirs."""
        theirs, ours = (BEST.get(self.kind, min)(side) for side in zip(*self.pairs, strict=True))
        return ours / theirs if theirs else 0.0

    def cells(self) -> tuple[str, ...]:
        """The line as it is shown."""
        theirs, ours = (f"{median(side):,.4g}{UNITS.get(self.kind, ' us')}" for side in zip(*self.pairs, strict=True))
        return self.line, f"{self.what}: {self.kind}", theirs, ours, f"{self.ratio:.2f}", f"{self.by_best:.2f}"


Side = Callable[[Order], Numbers]


def run(names: Sequence[str], commit: str, rounds: int) -> str:
    """Measures the lines on both sides; the table.

    Raises:
        ValueError: there is no such commit.

    """
    folder = checkout.prepare(commit)
    rows: list[tuple[str, ...]] = [HEAD]
    for name in names:
        with ExitStack() as stack:
            (parts, theirs), (_, ours) = (stack.enter_context(_side(name, place)) for place in (folder, ROOT))
            for part in range(max(parts, 1)):  # a line that is no load is one part
                rows += [each.cells() for each in _compare(name, part, theirs, ours, rounds, is_load=parts > 0)]
    return columns(rows)


def _compare(line: str, part: int, theirs: Side, ours: Side, rounds: int, *, is_load: bool) -> Iterator[Comparison]:
    full = in_turn(Order(part, SECONDS), theirs, ours, rounds)
    yield from _compared(line, full)
    if is_load:
        rates = [there["rate"] for theirs_, _ in full for there in theirs_.values()]
        half = in_turn(Order(part, SECONDS, max(rates) / 2), theirs, ours, rounds)
        yield from _compared(line, half, f", at {max(rates) / 2:,.0f}/s")


def in_turn(order: Order, theirs: Side, ours: Side, rounds: int) -> list[tuple[Numbers, Numbers]]:
    """The same measurement on both sides, (theirs, ours) for each round, which another side begins each time."""
    theirs(order), ours(order)  # neither side is cold
    pairs = []
    for number in range(rounds):
        first, second = (theirs, ours) if number % 2 else (ours, theirs)
        one, two = first(order), second(order)
        pairs.append((one, two) if number % 2 else (two, one))
    return pairs


def _compared(line: str, pairs: list[tuple[Numbers, Numbers]], more: str = "") -> Iterator[Comparison]:
    """A number that one side does not have is left out: a line may have changed."""
    theirs, ours = pairs[0]
    for what in theirs.keys() & ours.keys():
        for kind in theirs[what]:
            values = [(before[what][kind], after[what][kind]) for before, after in pairs]
            yield Comparison(line, what + more, kind, values)


@contextmanager
def _side(name: str, folder: Path) -> Iterator[tuple[int, Side]]:
    """One checkout's process: how many parts the line has there, and how to have it measure."""
    command = [str(folder / ".venv/bin/python"), "-m", "bench.side", name]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=folder, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin is not None  # noqa: S101 - it is a pipe
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        orders, answers = process.stdin, process.stdout

        def answer() -> str:
            if line := answers.readline():
                return line
            raise RuntimeError(f"{name} could not be measured in {folder}")

        def measure(order: Order) -> Numbers:
            print(json.dumps(dataclasses.asdict(order)), file=orders, flush=True)
            numbers: Numbers = json.loads(answer())
            return numbers

        yield int(answer()), measure
        orders.close()
        process.wait(PATIENCE)
