"""The daemon that knows every session by a certificate of ours, and ends it in time (``ssh-jit-host sessions``).

PAM's hook registers a session before it opens. Four times a second the daemon looks at what the bundle says and at the
clocks. Whoever's time runs out is warned on the terminal; then the whole session goes. Whatever becomes of the daemon,
sessions that it does not know are none of its business, and those that it does are on disk for the next one.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sshjit_host.config import Config
from sshjit_host.errors import HostError
from sshjit_host.formats import user_certificate
from sshjit_host.formats.sshkey import blob_of
from sshjit_host.formats.user_certificate import UserCertificate
from sshjit_host.machine import files, processes
from sshjit_host.machine.processes import Table
from sshjit_host.refresh import Refresher
from sshjit_host.sessions import hook as session_hook
from sshjit_host.sessions import reports, rules, session_processes, terminal
from sshjit_host.sessions.lifecycle import Sessions, clocks
from sshjit_host.sessions.registry import Session, terms_of, this_boot
from sshjit_host.sessions.rules import Knowledge, Moment
from sshjit_host.watch import Reminders

PROBE = "probe-"
"""How the grant begins of a session that an operator's probe opened: it is nobody's, and not counted."""
TICK = 0.25
"""Seconds between two looks."""
HURRY = 0.02
"""The same while PAM is opening a session: what it gives to a short one must be seen in time."""
YOUNG = 1.0
"""Seconds for which a session is looked at so often."""
NOTICE = 0.2
"""Seconds that the last words on a terminal get until the session ends."""
GENTLE = 0.3
"""Seconds that sshd's privileged process gets to close the session by itself."""
SETTLING = 15.0
"""Seconds after a session's beginning in which PAM may still give it a scope and an audit session."""
REST = 10.0
"""Seconds between two looks for what a person who has left left behind, where no control group says so."""
CHECK = 1.0
"""Seconds between two looks whether sshd's process of a session is there."""
EARLY = 5.0
"""Seconds after a session's beginning in which it may get the terminal that it is to be warned on."""
PATIENCE = 2.0
"""Seconds that the hook has for its question."""

Say = Callable[[str], None]


@dataclass
class Watched:
    """A session as the daemon watches it. ``taken`` is why the bundle takes it away, as far as ``seen`` says."""

    session: Session
    seen: Knowledge | None = None
    taken: str = ""
    since: float = 0.0
    """When its end began (by ``time.monotonic``, like the others here)."""
    rested: float = -REST
    """When it was last looked at whether something was left behind."""
    checked: float = -CHECK
    """When it was last looked at whether sshd's process is there."""
    alive: bool = True


class Daemon:
    """Watches the sessions of one host until it is stopped."""

    def __init__(self, config: Config, say: Say) -> None:
        self.config = config
        self._say = say
        self._sessions = Sessions(config, say)
        self._watched: dict[str, Watched] = {}
        self._known = Knowledge()
        self._bundle_seen: tuple[int, ...] | None = None
        self._news, self._stop = threading.Event(), threading.Event()
        self._complain = Reminders(say, time.monotonic).still_true

    def run(self) -> None:
        """Serve the hook and watch until an exception such as ``SystemExit`` ends it. Raises ``HostError``."""
        with files.locked(self.config.run / ".lock"), self._listening() as listener:
            self._find_again()
            reporter = reports.Reporter(self.config, self._sessions.spool, self._complain)
            threading.Thread(target=reporter.run, args=(self._stop, self._news), daemon=True).start()
            self._say(f"watching {len(self._watched)} sessions; fence: {self._fence_name()}")
            with selectors.DefaultSelector() as waiting:
                waiting.register(listener, selectors.EVENT_READ)
                while True:
                    if waiting.select(HURRY if self._opening() else TICK):
                        self._serve(listener)
                    self.look()

    def _opening(self) -> bool:
        """Whether a session has just begun."""
        after = clocks().boot - YOUNG
        return any(watched.session.opened_boot > after for watched in self._watched.values())

    def look(self) -> None:
        """One look at everything."""
        self._learn()
        table: Table | None = None
        now = clocks()
        for watched in list(self._watched.values()):
            try:
                if self._needs_table(watched, now):
                    table = table or Table()
                    self._act(watched, table, now)
            except Exception as error:  # noqa: BLE001, PERF203 - what is wrong with one session keeps no other open
                self._complain(f"unexpected {type(error).__name__}: {error}")

    # ------------------------------------------------------------------------------------------------- the hook

    @contextlib.contextmanager
    def _listening(self) -> Any:
        path = self.config.run / session_hook.SOCKET
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            before = os.umask(0o177)
            try:
                listener.bind(str(path))
            finally:
                os.umask(before)
            listener.listen(128)
            listener.settimeout(0)
            try:
                yield listener
            finally:
                self._stop.set()
                self._news.set()
                with contextlib.suppress(FileNotFoundError):
                    path.unlink()
                self._sessions.fence.close()

    def _serve(self, listener: socket.socket) -> None:
        """Answer all who wait at the socket."""
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer:
                peer.settimeout(PATIENCE)
                try:
                    pid, uid, _ = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
                    if uid in (0, os.geteuid()):
                        answer = self._answer(_question(peer), pid)
                        peer.sendall(json.dumps(answer).encode("ascii") + b"\n")
                except (OSError, ValueError, KeyError, TypeError) as error:
                    self._complain(f"a question at the socket could not be answered: {error}")

    def _answer(self, question: dict[str, Any], pid: int) -> dict[str, Any]:
        if question["ask"] in ("status", "close"):
            return self.status() if question["ask"] == "status" else self._look_once_more(pid)
        if question["ask"] != "open":
            return {"answer": "refused", "why": "unknown question"}
        try:
            certificates = user_certificate.of_session(str(question["auth_info"]))
            self._learn()
            own, hook = self._keys_in("recovery.pub"), processes.look(pid)
            cas = self._known.cas | self._keys_in("user_ca.pub") | own
            ours = [certificate for certificate in certificates if certificate.ca in cas]
            if not ours:
                return {"answer": "not ours"}
            named = all(each.ca in own or rules.is_for(each, str(question["user"]), self.config) for each in ours)
            if hook is None or not named:
                return {"answer": "refused", "why": "the hook has gone" if named else rules.ELSEWHERE}
            return self._open(question, ours[0], hook.parent)
        except (HostError, ValueError) as error:
            return {"answer": "refused", "why": str(error)}

    def _look_once_more(self, pid: int) -> dict[str, Any]:
        """Learn what PAM gave a session that closes: its sshd started the stub, whose child is the hook ``pid``."""
        hook = processes.look(pid)
        stub = None if hook is None else processes.look(hook.parent)
        for watched in self._watched.values():
            if stub is not None and watched.session.pid == stub.parent and not watched.session.ending:
                watched.session = self._sessions.settle(watched.session)
        return {"answer": "ok"}

    def _open(self, question: dict[str, Any], certificate: UserCertificate, privileged: int) -> dict[str, Any]:
        terms = terms_of(certificate, clocks())
        why = rules.taken(terms, self._known) or rules.over(terms, self._known, terms.opened)
        if why:
            return {"answer": "refused", "why": rules.SENTENCES[why]}
        session = self._sessions.register(question, certificate, privileged)
        self._watched[session.id] = Watched(session)
        self._news.set()
        kind = "EMERGENCY session" if session.emergency else "session"
        self._say(f"{kind} {session.id}: {session.user} from {session.source}, {session.key_id or 'no key id'}")
        return {"answer": "ok", "session": session.id, "emergency": session.emergency, "key_id": session.key_id}

    def status(self) -> dict[str, Any]:
        """How many sessions there are, what holds them together, and what waits to be reported."""
        sessions = [watched.session for watched in self._watched.values()]
        sessions = [session for session in sessions if not session.grant.startswith(PROBE)]
        return {
            "answer": "status",
            "sessions": len(sessions),
            "fenced": sum(session.fenced for session in sessions),
            "emergencies": sum(session.emergency for session in sessions),
            "fence": self._fence_name(),
            "reports": self._sessions.spool.size,
            "lost": self._sessions.spool.lost,
        }

    def _fence_name(self) -> str:
        return "control groups" if self._sessions.fence.place is not None else "audit sessions, parents, environment"

    # ---------------------------------------------------------------------------------------------- the sessions

    def _find_again(self) -> None:
        """Take over the sessions that an earlier daemon, or the hook without one, has written down."""
        boot = this_boot()
        for session in self._sessions.registry.sessions():
            if session.boot == boot:
                self._watched[session.id] = Watched(session)
            else:
                self._sessions.close(session, "restart")

    def _learn(self) -> None:
        """Read the bundle anew if it is another one; one that cannot be read leaves things as they are."""
        try:
            status = (self.config.home / "bundle.json").stat()
        except OSError:
            return
        seen = (status.st_ino, status.st_mtime_ns, status.st_size)
        if seen == self._bundle_seen:
            return
        self._bundle_seen = seen
        try:
            self._known = rules.knowledge(Refresher(self.config, lambda _: None).held())
        except HostError as error:
            self._complain(error.message)

    def _keys_in(self, name: str) -> frozenset[bytes]:
        """Keys in a file of ours: those that sshd trusts, and those that the owner added for recovery."""
        blobs = set()
        for line in (files.read(self.config.home / name) or b"").decode("ascii", "ignore").splitlines():
            with contextlib.suppress(ValueError):
                blobs.add(blob_of(line))
        return frozenset(blobs)

    def _needs_table(self, watched: Watched, now: Moment) -> bool:
        """Whether something is to be done about a session, for which the machine's processes must be looked at."""
        session = watched.session
        monotonic = time.monotonic()
        due, age = monotonic - watched.checked >= CHECK, now.boot - session.opened_boot
        if watched.alive and due:
            watched.alive, watched.checked = session_processes.alive(session), monotonic
        if watched.alive and not session.ending and (age < YOUNG or (due and age < SETTLING)):
            session = watched.session = self._sessions.settle(session)
        if watched.seen is not self._known:
            watched.seen, watched.taken = self._known, rules.taken(session.terms, self._known)
        if self._why(watched, now):
            return True
        if watched.alive:
            ends = rules.end(session.terms, self._known)
            return session.warned != ends and rules.left(session.terms, self._known, now) <= self.config.warn
        if session_processes.fenced_members(session) or monotonic - watched.rested < REST:
            return False
        watched.rested = monotonic
        return True

    def _why(self, watched: Watched, now: Moment) -> str:
        session = watched.session
        return session.ending or watched.taken or rules.over(session.terms, self._known, now)

    def _act(self, watched: Watched, table: Table, now: Moment) -> None:
        session = watched.session
        if why := self._why(watched, now):
            self._end(watched, table, why)
        elif not watched.alive:
            if not session_processes.left_behind(session, table):
                self._over(watched, rules.LOGOUT)
        else:
            ends = rules.end(session.terms, self._known)
            left = rules.left(session.terms, self._known, now)
            if terminal.warn(session, table, ends, left) or now.boot - session.opened_boot > EARLY:
                watched.session = self._sessions.registry.with_changes(session, warned=ends)

    def _end(self, watched: Watched, table: Table, why: str) -> None:
        """End a session: first its last words, then all but sshd's own process, then everything."""
        elapsed = time.monotonic() - watched.since
        if not watched.since:
            terminal.say_why(watched.session, table, why)
            self._say(f"session {watched.session.id} of {watched.session.user} ends: {why}")
            with contextlib.suppress(HostError):  # on a full disk the next daemon will see it for itself
                watched.session = self._sessions.registry.with_changes(watched.session, ending=why)
            watched.since = time.monotonic()
        elif elapsed >= NOTICE:
            gently = elapsed < NOTICE + GENTLE
            if session_processes.end(watched.session, table, gently=gently):
                self._over(watched, why)

    def _over(self, watched: Watched, why: str) -> None:
        del self._watched[watched.session.id]
        self._sessions.close(watched.session, why)
        self._news.set()


def _question(peer: socket.socket) -> dict[str, Any]:
    data = b""
    while not data.endswith(b"\n"):
        part = peer.recv(session_hook.LARGEST)
        data += part
        if not part or len(data) > session_hook.LARGEST:
            raise ValueError("it is cut off")
    question = json.loads(data)
    if not isinstance(question, dict):
        raise ValueError("it is no object")  # noqa: TRY004 - one error for every way of being malformed
    return question


def run(config: Config, say: Say) -> None:
    """Watch the sessions of this host until SIGTERM. Raises ``HostError`` if it cannot."""
    Daemon(config, say).run()
