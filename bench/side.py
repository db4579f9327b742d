"""One side of a comparison: ``python -m bench.side LINE`` measures its own checkout whenever stdin says so.

Each line of stdin is one measurement (``Order``), each line of stdout what it showed: numbers by their name. What is
started for the line stays up in between. A line that is a load is measured as one, with the processor time that the
servers took for each answer; of any other line the numbers are what its table says.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys

from bench import load
from bench.environment import Environment
from bench.lines import LINES, LOADS
from bench.load import Served
from bench.measurement import percentile
from bench.processes import processor_seconds


@dataclasses.dataclass(frozen=True, slots=True)
class Order:
    """What is to be measured, of the line's part with this number (-1: of all), for so many seconds."""

    part: int
    seconds: float
    rate: float = 0.0
    """Answers a second; 0: as fast as it goes."""


Numbers = dict[str, dict[str, float]]
"""By what was measured: ``rate`` (answers a second), ``p99`` (ms), ``processor`` (microseconds an answer, of all
servers and of each); or ``is``, the table's number."""


def main(name: str) -> None:
    """Measures until stdin ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever else is printed, by programs that are started too, is no answer
    with Environment() as environment:
        parts = list(LOADS[name](environment)) if name in LOADS else []
        print(len(parts), file=answers, flush=True)
        for line in sys.stdin:
            order = Order(**json.loads(line))
            numbers = measure(parts[order.part], order) if parts else _table(name)
            print(json.dumps(numbers), file=answers, flush=True)


def _table(name: str) -> Numbers:
    with Environment() as environment:  # a new one each time: what a line sets up is there only once
        return {result.what: {"is": result.value} for result in LINES[name](environment)}


def measure(served: Served, order: Order) -> Numbers:
    """Loads a server, and looks at what its processes took."""
    asked = 0

    def ask() -> bytes:
        nonlocal asked
        asked += 1
        return served.traffic.ask()

    traffic = dataclasses.replace(served.traffic, ask=ask)
    before = {name: processor_seconds(pid) for name, pid in served.pids.items()}
    if order.rate:
        seen = load.paced(traffic, rate=order.rate, in_flight=served.in_flight, seconds=order.seconds)
    else:
        seen = load.closed(traffic, in_flight=served.in_flight, seconds=order.seconds)
    spent = {name: (processor_seconds(pid) - before[name]) / asked * 1e6 for name, pid in served.pids.items()}
    numbers = {"rate": seen.rate, "p99": percentile(seen.times, 0.99) * 1e3, "processor": sum(spent.values())}
    return {served.what: numbers | {f"processor, {name}": one for name, one in spent.items() if len(spent) > 1}}


if __name__ == "__main__":
    main(sys.argv[1])
