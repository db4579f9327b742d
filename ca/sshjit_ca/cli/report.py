"""``ssh-jit-ca report``: who could, who did, who approved, for a period; to print or as tables."""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from sshjit.errors import Failed, Invalid
from sshjit_ca.cli.maintenance import AS_OWNER
from sshjit_ca.config import Config
from sshjit_ca.keys import files
from sshjit_ca.log.pinned_checkpoint import PinnedCheckpoint
from sshjit_ca.machine import durable, owner
from sshjit_ca.report import period as periods
from sshjit_ca.report.period import Period
from sshjit_ca.storage.store import Store


def add_commands(commands: Any) -> None:
    """Adds the command."""
    text = "who could reach what, who did, who approved, in a period"
    parser = commands.add_parser("report", help=text, description=f"{text[0].upper()}{text[1:]}.")
    parser.set_defaults(run=_report, works=AS_OWNER)
    when = "a day or a time, UTC: 2026-01-31 or 2026-01-31T12:00"
    parser.add_argument("--from", dest="first", required=True, type=periods.parse_begin, metavar="DATE", help=when)
    parser.add_argument(
        "--to",
        dest="until",
        required=True,
        type=periods.parse_end,
        metavar="DATE",
        help="the same; a day counts to its end",
    )
    parser.add_argument("--format", choices=("html", "csv"), default="html", help="[html]")
    parser.add_argument(
        "--output", type=Path, metavar="PATH", help="a file; for csv a new folder or FILE.zip [html: standard output]"
    )
    parser.add_argument("--database", type=Path, metavar="FILE", help="a copy of the database [the CA's database]")


def _report(conf: Config, options: argparse.Namespace) -> int:
    with contextlib.nullcontext() if options.database is None else owner.as_operator():  # whose file it is
        return _report_database(conf, options)


def _report_database(conf: Config, options: argparse.Namespace) -> int:
    from sshjit_ca.report import builder, csv_files, html_page  # noqa: PLC0415 - the other commands start faster

    period = Period(options.first, options.until)
    if period.first >= period.until:
        raise Invalid("bad_period", "the period ends before it begins", hint="--from 2026-01-01 --to 2026-01-31")
    if options.format == "csv" and options.output is None:
        raise Invalid("no_output", "CSV is many files", hint="--output FOLDER, or --output FILE.zip")
    if options.format == "html":
        html_page.environment()  # what is missing is said before the log is read
    own = options.database is None
    if not own and not options.database.is_file():
        raise Invalid("no_database", f"there is no file {options.database}")
    pinned = PinnedCheckpoint(conf.home)
    kept = pinned.checkpoint() if own else ""
    if own and not kept:
        text = "is not there: an older copy of the whole log would make a report just as whole"
        print(f"{pinned.checkpoint_file} {text}", file=sys.stderr)
    store = Store(conf.database if own else f"sqlite:///{options.database.resolve()}", read_only=True)
    try:
        with builder.build_report(
            store,
            files.load_public(conf.key_file("log")),
            installation=conf.installation,
            period=period,
            now=int(time.time()),
            against=(kept,) if kept else (),
            certificates=options.format == "csv",
        ) as report:
            if options.format == "csv":
                with owner.as_operator():
                    count = csv_files.write_csv(report, options.output)
                print(f"{options.output}: {count} tables")
            else:
                _write_page(html_page.render(report), options.output)
            if report.problems:
                print("ssh-jit-ca: THE LOG IS NOT WHOLE; the report says where", file=sys.stderr)
            return 1 if report.problems else 0
    finally:
        store.close()


def _write_page(pieces: Iterator[str], path: Path | None) -> None:
    with _opened(path) as file:
        for piece in pieces:
            file.write(piece)
    if path is not None:
        print(path)


@contextmanager
def _opened(path: Path | None) -> Iterator[TextIO]:
    """Standard output, or a file that only its owner can read and that is written whole or not at all."""
    if path is None:
        yield sys.stdout
        return
    try:
        with owner.as_operator(), contextlib.ExitStack() as stack:
            raw = stack.enter_context(durable.replacing(path))
            yield stack.enter_context(durable.as_text(raw, "utf-8"))
    except OSError as error:
        raise Failed("not_written", f"{path} cannot be written: {error.strerror}") from None
