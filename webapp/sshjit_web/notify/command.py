"""``ssh-jit-web notify [status | retry]``: starts the notifier, shows how it is, lets dead deliveries live again."""

from __future__ import annotations

import argparse
import logging
import os
import random
import secrets
import signal
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from sshjit.ca_protocol.operating import Health, HealthReply
from sshjit.errors import Invalid, SshJitError
from sshjit_web import config, migrate, structured_log, supervised
from sshjit_web.ca_client import CaClient
from sshjit_web.config import WebConfig
from sshjit_web.escape_controls import escape_controls
from sshjit_web.notify import status
from sshjit_web.notify.delivery import Delivery
from sshjit_web.notify.ledger import Ledger
from sshjit_web.notify.log_follower import LogFollower
from sshjit_web.notify.notifier import Notifier
from sshjit_web.notify.status import Overview
from sshjit_web.notify_config import NotifyConfig
from sshjit_web.store import open_engine

CA_PATIENCE = 3.0
"""Seconds that the CA has for an answer: much less than a lease, so that asking it does not lose the lease."""


def add(parser: argparse.ArgumentParser) -> None:
    """The subcommands of ``notify``."""
    subcommands = parser.add_subparsers(dest="notify", metavar="{status,retry}")
    subcommands.add_parser("status", help="what is waiting, sent and dead, and which notifier is active")
    retry = subcommands.add_parser("retry", help="retry dead deliveries: all, or these")
    retry.add_argument("delivery", nargs="*", help="msg_…, as status shows it")
    for subcommand in subcommands.choices.values():
        subcommand.add_argument("--config", type=Path, default=argparse.SUPPRESS, help="web.toml")


def run(arguments: argparse.Namespace, path: Path) -> None:
    """Does what was said. Raises ``SshJitError``."""
    settings = config.load(path)
    if settings.notify is None:
        hint = "docs/notifications.md shows one"
        raise Invalid("no_notify", f"{path} has no table [notify]", hint=hint)
    if arguments.notify == "status":
        _status(settings)
    elif arguments.notify == "retry":
        _retry(settings, tuple(arguments.delivery))
    else:
        _serve(settings, settings.notify, path.resolve().parent)


def _serve(settings: WebConfig, notify: NotifyConfig, folder: Path) -> None:
    """Notifies until SIGTERM or SIGINT."""
    from sshjit_web.notify import channels  # noqa: PLC0415 -- brings Apprise, which nothing else needs

    os.umask(0o077)
    structured_log.to_stderr(settings.log)
    logging.getLogger().setLevel(logging.WARNING)
    logging.getLogger("apprise").setLevel(logging.CRITICAL)  # what it says is kept with the delivery
    opened = channels.open_all(notify, folder, plain_http=settings.unsafe_http)
    engine = open_engine(settings.database)
    migrate.upgrade(engine)
    holder = f"{socket.gethostname()[:32]}/{os.getpid()}/{secrets.token_hex(6)}"
    ledger = Ledger(engine, holder, notify.lease)
    ca = CaClient(*map(Path, settings.ca_socket), timeout=CA_PATIENCE, keep=1)
    ca.follow()
    notifier = Notifier(
        ledger=ledger,
        follower=LogFollower(ca, ledger, notify, settings.origin, _now),
        delivery=Delivery(opened, _now, time.monotonic),
        channels=tuple(opened),
        lease=notify.lease,
        clock=_now,
        monotonic=time.monotonic,
        chance=random.random,
    )
    _until_told(notifier.stop)
    started_by = supervised.supervisor()
    started_by.ready("notifying")
    notifier.run()
    started_by.stopping()
    ca.close()
    engine.dispose()


def _until_told(stop: Callable[[], None]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop())


def _status(settings: WebConfig) -> None:
    engine = open_engine(settings.database)
    migrate.upgrade(engine)
    found = status.overview(engine)
    engine.dispose()
    print("\n".join(shown(found, _size(settings), _now())))  # noqa: T201 -- it is what was asked for


def _size(settings: WebConfig) -> int | None:
    """How long the log is, if the CA says so."""
    ca = CaClient(*map(Path, settings.ca_socket), timeout=CA_PATIENCE, keep=0)
    try:
        return ca.call(Health(), HealthReply).size
    except SshJitError:
        return None


def shown(overview: Overview, size: int | None, now: int) -> list[str]:
    """``status``, line by line."""
    behind = "can't reach the CA" if size is None else f"{max(0, size - 1 - overview.position)} not read"
    works = f"active: {overview.holder}" if overview.lease > now else "notifications are off: start ssh-jit-web notify"
    lines = [works, f"read up to entry {overview.position} ({behind})"]
    for channel in dict.fromkeys(count.channel for count in overview.counts):
        numbers = ", ".join(f"{each.number} {each.state}" for each in overview.counts if each.channel == channel)
        lines.append(f"{channel}: {numbers}")
    if overview.oldest is not None:
        lines.append(f"failing since {_moment(overview.oldest)}")
    if overview.nags:
        lines.append(f"emergency access without a review: {overview.nags}")
    for dead in overview.dead:
        to = f" {dead.recipient}" if dead.recipient else ""
        lines.append(f"dead {dead.id} {_moment(dead.changed)} {dead.topic} {dead.request} {dead.channel}{to}")
        lines.append(f"  after {dead.tries} tries: {dead.last_error}")
    return [str(escape_controls(line)) for line in lines]


def _retry(settings: WebConfig, deliveries: tuple[str, ...]) -> None:
    engine = open_engine(settings.database)
    migrate.upgrade(engine)
    number = status.retry(engine, _now(), deliveries or None)
    engine.dispose()
    print(f"{number} will be retried")  # noqa: T201 -- it is what was asked for


def _moment(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _now() -> int:
    return int(time.time())
