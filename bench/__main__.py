"""``python -m bench [NAME…] [--json FILE]``: measures, prints a table, and exits with 1 if something is over."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import (
    client_connection,
    client_start,
    fleet,
    flood,
    host_probe,
    http_load,
    lab_start,
    long_log,
    pages,
    plain_ssh,
    policy_evaluation,
    policy_proof,
    revocation,
    session_end,
    socket_certificates,
    stores,
)
from bench.environment import Environment
from bench.results import Result, table

LINES: dict[str, Callable[[Environment], Iterator[Result]]] = {
    "evaluate": policy_evaluation.lines,
    "proof": policy_proof.lines,
    "socket": socket_certificates.lines,
    "log": long_log.lines,
    "start": client_start.lines,
    "alive": client_connection.alive,
    "issued": client_connection.issued,
    "ensure": plain_ssh.lines,
    "pages": pages.lines,  # before the floods: nobody looks at a thousand requests of one second
    "certificate": http_load.certificate,
    "ask": http_load.ask,
    "bundle": http_load.bundle,
    "stores": stores.lines,
    "revoke": revocation.lines,
    "fleet": fleet.lines,
    "sessions": session_end.lines,
    "probe": host_probe.lines,
    "lab": lab_start.lines,
    "flood": flood.lines,
}


def main() -> int:
    """Runs the lines that were named, or all."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measures everything against its budget.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(LINES)}; none: all")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there too")
    options = parser.parse_args()
    if unknown := sorted(set(options.names) - LINES.keys()):
        parser.error(f"there is no line {unknown[0]!r}")
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
