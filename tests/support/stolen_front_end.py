"""What a front end ever carried, and what a thief of it can make of that: everything again, and everything mixed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sshjit import ca_protocol as m
from sshjit import sshcert
from sshjit.errors import SshJitError
from tests.support.installation import ALICE, BOB, DANA, Installation, make_key
from tests.support.signatures import (
    ADMIN_POLICY,
    SIGNED_POLICY,
    act,
    answer,
    ask,
    by,
    host_keys,
    join,
    leave,
    lines_of,
    renew,
    report,
    report_sessions,
    session_event,
)


@dataclass
class Stolen:
    """Everything that passed the web socket, in order, with the logins that the front end's database holds."""

    ca: Installation
    carried: list[m.Message] = field(default_factory=list)
    keys: tuple[Path, ...] = ()
    """The new host's keys, which the front end does not have."""

    @property
    def thief(self) -> str:
        """The thief's own public key."""
        return lines_of((make_key(self.ca.home / "thief"),))[0]

    def say(self, message: m.Message) -> m.Reply | SshJitError:
        """Says something at the web socket, whatever the answer is."""
        try:
            (said,) = self.ca.say_all([message], "web")
        except SshJitError as error:
            return error
        return said

    def logins(self, **what: str) -> list[str]:
        """Logins that are alive."""
        return [
            id_
            for id_, view in self.ca.logins.items()
            if all(getattr(view, key) == value for key, value in what.items())
        ]


def steal(ca: Installation) -> Stolen:
    """A day of an installation, seen from its front end, which is the thief's from here on."""
    stolen = Stolen(ca)
    ca.change_policy(*SIGNED_POLICY)
    ca.change_policy(*ADMIN_POLICY)
    with listening(stolen):
        _a_day(stolen)
    return stolen


@contextmanager
def listening(stolen: Stolen) -> Iterator[None]:
    """Whatever passes the web socket meanwhile is carried."""
    ca, honest = stolen.ca, stolen.ca.say_all

    def overheard(messages: list[m.Message], socket: Any = "web") -> Any:
        if socket == "web":
            stolen.carried.extend(messages)
        return honest(messages, socket)

    ca.say_all = overheard  # type: ignore[method-assign]
    try:
        yield
    finally:
        ca.say_all = honest  # type: ignore[method-assign]


def _a_day(stolen: Stolen) -> None:
    ca = stolen.ca
    new = m.AddHost("web9", (), "192.0.2.9", 22, (("env", "staging"),), ())
    alice, dana, bob = ca.native(ALICE), ca.native(DANA), ca.native(BOB)
    for person in (ALICE, DANA, BOB):
        ca.web(person)
    ca.ask(alice, "web1")
    request = ask(ca, dana, by(ca.key(DANA)), "db1").request
    ca.say(answer(ca, bob, by(ca.key(BOB)), request, "go"), m.RequestReply)
    ca.say(m.SignUser(dana, request.id), m.CertificateReply)
    ca.ask(dana, "db1", action="migrate")
    stolen.keys = host_keys(ca, "ed25519", "ecdsa")
    ca.say(act(ca, bob, by(ca.key(BOB)), new), m.HostReply, "web")
    made = ca.say(m.InviteHost("web9"), m.HostReply, "admin").invitation
    assert made is not None
    ca.say(join(ca, "web9", made.token, stolen.keys), m.HostReply, "web")
    ca.say(renew(ca, "web9", stolen.keys), m.HostReply, "web")
    ca.say(report(ca, "web9", stolen.keys[0]), m.Done, "web")
    ca.say(report_sessions(ca, stolen.keys[0], session_event(1)), m.SessionsReply, "web")
    leaver = make_key(ca.home / "leaver")
    gone = m.AddHost("web8", (), "192.0.2.8", 22, (("env", "staging"),), lines_of((leaver,)))
    ca.say(gone, m.HostReply, "admin")
    ca.say(leave(ca, "web8", leaver), m.Done, "web")
    ca.say(act(ca, bob, by(ca.key(BOB)), m.LabelHost("web9", (("env", "prod"),), None, None)), m.HostReply, "web")
    lock = ca.say(m.Lock(bob, "host", "web9", "looks odd"), m.LockReply, "web").lock
    ca.say(act(ca, bob, by(ca.key(BOB)), m.Unlock(None, lock.id, "was nothing", None)), m.Done, "web")


def mixed(stolen: Stolen) -> Iterator[m.Message]:
    """Every carried message with each of its fields replaced by what stood in that field of any other, or is ours."""
    pool: dict[str, set[Any]] = {}
    carried: list[Any] = list(stolen.carried)
    for message in carried:
        for each in dataclasses.fields(message):
            pool.setdefault(each.name, set()).add(getattr(message, each.name))
    ours: dict[str, set[Any]] = {
        "key": {stolen.thief},
        "host_keys": {(stolen.thief,)},
        "labels": {(("env", "staging"),)},
        "name": {"web1", "db1", "web9", "web8"},
        "consent": {None},
        "login_id": {None, *stolen.ca.logins},
    }
    for message in carried:
        for each in dataclasses.fields(message):
            for value in pool[each.name] | ours.get(each.name, set()):
                changed = dataclasses.replace(message, **{each.name: value})
                if changed != message:
                    yield changed
                    yield from _by_others(changed, ours["login_id"])


def _by_others(message: Any, logins: set[Any]) -> Iterator[m.Message]:
    """The message in the name of each other login."""
    if hasattr(message, "login_id"):
        yield from (dataclasses.replace(message, login_id=login) for login in logins if login != message.login_id)


def certificates(reply: m.Reply | SshJitError) -> list[sshcert.Certificate]:
    """Every certificate that an answer holds."""
    match reply:
        case m.CertificateReply(certificate=view) | m.AskReply(certificate=m.CertificateView() as view):
            return [sshcert.parse_line(view.text)[0]]
        case m.HostReply(certificates=lines):
            return [sshcert.parse_line(line)[0] for line in lines]
        case _:
            return []
