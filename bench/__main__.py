"""``python -m bench [NAME…] [--json FILE]``: measures, prints a table, and exits with 1 if something is over.

``python -m bench NAME… --against COMMIT`` compares with another commit instead (``against.py``).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
import traceback
from pathlib import Path

from bench import against
from bench.environment import Environment
from bench.lines import LINES
from bench.results import Result, table


def main() -> int:
    """Runs the lines that were named, or all."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measures everything against its budget.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(LINES)}; none: all")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there too")
    parser.add_argument("--against", metavar="COMMIT", help="measure the same there as well, in turn, and print ratios")
    parser.add_argument("--rounds", type=int, default=8, metavar="N", help="with --against: how often (8)")
    options = parser.parse_args()
    if unknown := sorted(set(options.names) - LINES.keys()):
        parser.error(f"there is no line {unknown[0]!r}")
    if options.against:
        if not options.names or options.json or options.rounds < 1:
            parser.error("--against takes names of lines, and --rounds of 1 or more")
        try:
            print(against.run(options.names, options.against, options.rounds))
        except ValueError as error:
            parser.error(str(error))
        return 0
    with Environment() as environment:
        results, broken = _measure(environment, options.names or list(LINES))
    print(table(results))
    for name in broken:
        print(f"{name}: could not be measured")
    if options.json is not None:
        lines = [dataclasses.asdict(result) | {"ok": result.ok} for result in results]
        options.json.write_text(json.dumps({"time": int(time.time()), "lines": lines}, indent=1) + "\n")
    return 1 if broken or not all(result.ok for result in results) else 0


def _measure(environment: Environment, names: list[str]) -> tuple[list[Result], list[str]]:
    """The results, and the lines that could not be measured."""
    results, broken = list[Result](), list[str]()
    for name in names:
        began = time.monotonic()
        try:
            results += LINES[name](environment)
        except Exception:  # noqa: BLE001 - the other lines are measured all the same
            traceback.print_exc()
            broken.append(name)
        print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    return results, broken


if __name__ == "__main__":
    sys.exit(main())
