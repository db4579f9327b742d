"""The CA's own alarm, told without any front end.

It sounds for broken glass, emergency certificates, a lock on everything, a host's token that comes once too often, a
passkey whose counter went back, and for sessions and reports of hosts that are not as they should be. In which order,
and how often: ``alarm_watch.py``.

Each is a line for syslog (facility authpriv, priority alert: journald and every syslog daemon show it) and, if
``alert_command`` is set, a run of that command with the alarm as JSON on its standard input. What is to be told is read
from the log by position, so nothing is told before it is durable and nothing is lost over a restart; the position is
kept once all was told. It happens beside the answering of messages, and whatever goes wrong here changes no answer.
``docs/decisions/0031`` says why.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import sqlalchemy as sa

from sshjit import events
from sshjit.errors import Invalid
from sshjit.events import Event
from sshjit_ca.log import history
from sshjit_ca.machine.durable import write_durably
from sshjit_ca.storage.schema import entries as table
from sshjit_ca.storage.store import Row, Store

PRIORITY = 10 * 8 + 1
"""LOG_AUTHPRIV, LOG_ALERT (RFC 5424, section 6.2.1)."""
READ = 2_000
"""Entries that are read at once."""
PATIENCE = 10.0
"""Seconds that the command may take; then it and its children are killed."""
TRIES = 2
PAUSE = 1.0
"""Seconds between two tries."""
_LONGEST = 1000
KINDS = ("ask", "emergency", "lock", "session", "session-refusal", "join-refusal", "passkey-refusal")
"""Entries that may be alarming."""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""All that the command finds in its environment."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Alarm:
    """What is told. ``entry`` is the place in the log; ``None`` while there is no log to write to."""

    kind: str
    """``break_glass``, ``emergency``, ``lock_everything``, ``join_refused``, ``passkey_copied`` (its
    counter went back: there may be a copy of it), or of a session ``session_emergency``,
    ``session_unknown`` (its certificate is not in the log), ``session_recovery`` (neither, but by the host's word the
    recovery key's, or an emergency's), ``session_elsewhere`` (for another host or account), ``session_refused`` (the
    host tells what no host says). ``checkpoint_not_kept``: a place outside has got no checkpoint for long.
    ``log_rolled_back``, ``unknown_log_key``: somebody holds a checkpoint that this log does not continue, or one by a
    key that it does not know."""
    installation: str
    entry: int | None
    time: int
    summary: str
    request: str | None
    notify: tuple[str, ...]
    """The channels that the rule names."""
    count: int = 1
    """How many of this kind by this host it stands for: one a minute is told, and it is the newest."""

    @property
    def line(self) -> str:
        """The line for syslog: printable ASCII, however people are called."""
        where = "" if self.entry is None else f" (entry {self.entry})"
        more = "" if self.count == 1 else f" and {self.count - 1} more before it"
        text = f"{self.installation}: {self.kind.upper()}: {self.summary}"
        return text.encode("unicode_escape").decode("ascii")[:_LONGEST] + where + more


def kind_of(event: Event) -> str | None:
    """What kind of alarm an event is; ``None`` for all others."""
    kind: str | None
    match event:
        case events.Asked(break_glass=True):
            kind = "break_glass"
        case events.EmergencyIssued(bastion=""):  # the one through a bastion comes with it
            kind = "emergency"
        case events.Locked(kind="everything"):
            kind = "lock_everything"
        case events.SessionStarted(known="emergency" | "unknown" | "elsewhere" | "recovery" as known):
            kind = f"session_{known}"
        case events.SessionReportRefused():
            kind = "session_refused"
        case events.JoinRefused():
            kind = "join_refused"
        case events.PasskeyRefused():
            kind = "passkey_copied"
        case _:
            kind = None
    return kind


@dataclass(frozen=True, slots=True)
class Alarms:
    """How alarms leave, and how far the log was told."""

    home: Path
    syslog: Path
    """The socket of the syslog daemon."""
    command: tuple[str, ...]
    """What is run for each; empty: nothing."""

    def position(self, size: int) -> int:
        """The last entry that was told; at the very first start all that is there counts as told.

        Never past the end of the log: one that was restored from an older copy goes on with other entries there.
        """
        try:
            return min(int(self._file.read_text(encoding="ascii")), size - 1)
        except FileNotFoundError:
            pass
        except (OSError, ValueError):
            _log.error("%s is damaged: alarms that were not told yet are in the log only", self._file)
        self.keep(size - 1)
        return size - 1

    def keep(self, position: int) -> None:
        """Remembers how far the log was told."""
        write_durably(self._file, str(position).encode("ascii"))

    def tell(self, alarm: Alarm) -> None:
        """Tells syslog, then runs the command. Never raises; takes ``TRIES`` times ``PATIENCE`` at most."""
        self.write(alarm)
        if not self.command:
            return
        for attempt in range(TRIES):
            problem = _run(self.command, json.dumps(asdict(alarm)).encode())
            if not problem:
                return
            _log.error("the alert command %s", problem)
            if attempt + 1 < TRIES:
                time.sleep(PAUSE)

    def write(self, alarm: Alarm) -> None:
        """The line for syslog."""
        text = f"<{PRIORITY}>ssh-jit-ca[{os.getpid()}]: {alarm.line}".encode("ascii")
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
                to.settimeout(0)
                to.connect(str(self.syslog))
                to.send(text)
        except OSError as error:
            _log.error("%s (syslog did not accept it: %s)", alarm.line, error.strerror)

    @property
    def _file(self) -> Path:
        return self.home / "alerted"


def find(store: Store, after: int, size: int) -> tuple[list[tuple[Row, Event]], int]:
    """What is to be told of the entries after a position, and how far was read."""
    last = min(after + READ, size - 1)
    query = sa.select(table).where(table.c.number > after, table.c.number <= last, table.c.kind.in_(KINDS))
    due = []
    for row in store.select(query, newest_first=False, limit=READ):
        with contextlib.suppress(Invalid):  # that is for ``log verify`` to say
            event = history.read(row)
            if kind_of(event) is not None:
                due.append((row, event))
    return due, last


def _run(command: Sequence[str], text: bytes) -> str:
    """Runs the command; what went wrong, or nothing."""
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={"PATH": PATH},
            start_new_session=True,
        )
    except OSError as error:
        return f"cannot be run: {error.strerror}"
    try:
        process.communicate(text, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return f"took longer than {PATIENCE:.0f} s and was killed"
    except OSError as error:  # it did not read to the end; its exit code says whether that is a problem
        process.wait()
        return "" if process.returncode == 0 else f"did not read: {error.strerror}"
    return "" if process.returncode == 0 else f"ended with {process.returncode}"
