"""What people and hosts sign, as the command line and a host's program do it: by real keys and ``ssh-keygen``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from sshjit import ca_protocol as m
from sshjit import signed_actions, sshkey, wire
from sshjit.api.ask import AskBody
from sshjit.login import unb64url
from sshjit_ca.access import host_statements, session_reports
from sshjit_ca.access.views import host_view, lock_view
from tests.support.installation import Installation, make_key, ssh_sign

Sign = Callable[[str, bytes], str]
A = TypeVar("A", bound=signed_actions.Act)
SIGNED_POLICY = (
    'approvals = [{ from = "lead", count = 1 }]',
    'approvals = [{ from = "lead", count = 1, signed = true }]',
)
"""What to change in the policy so that the database needs a signed approval."""
ADMIN_POLICY = ('lock = ["lead"]', 'lock = ["lead"]\nunlock = ["lead"]\nhosts = ["lead"]')
"""What to change in the policy so that leads may unlock, and keep hosts."""


def by(key: Path) -> Sign:
    """Signs with a key file."""
    return lambda namespace, text: ssh_sign(key, namespace, text)


def challenge(ca: Installation, login_id: str) -> str:
    """Something fresh to sign."""
    return ca.say(m.ReadChallenge(login_id), m.ChallengeReply).challenge


def answer(
    ca: Installation,
    login_id: str,
    sign: Sign,
    request: m.RequestView,
    comment: str = "",
    *,
    verdict: Literal["approve", "deny"] = "approve",
) -> m.Approve:
    """A signed approval of what ``request`` shows."""
    fresh = challenge(ca, login_id)
    text = signed_actions.approval_text(request, verdict, comment, fresh, ca.config.installation, duration=None)
    given = m.ActionSignature(fresh, sign(signed_actions.APPROVE_NAMESPACE, text))
    return m.Approve(login_id, request.id, request.digest, comment, given)


def ask(ca: Installation, login_id: str, sign: Sign, host: str, **changed: Any) -> m.AskReply:
    """A request that is signed over what the CA shows of it, as the command line does it."""
    shown = ca.ask(login_id, host, signable=True, **changed)
    return ca.ask(login_id, host, consent=consent(ca, shown, sign, typed(host, **changed)), **changed)


def extend(ca: Installation, login_id: str, sign: Sign, grant: str, reason: str = "CHG-7 goes on") -> m.AskReply:
    """A request for more time, in the same way."""
    asked = m.Extend(login_id, grant, reason, "192.0.2.7", signable=True)
    shown = ca.say(asked, m.AskReply)
    return ca.say(replace(asked, consent=consent(ca, shown, sign, None)), m.AskReply)


def typed(host: str, **changed: Any) -> AskBody:
    """What somebody types who asks for a shell, or what is changed of that."""
    fields: dict[str, Any] = {"login": None, "action": "shell", "command": None, "duration": None, "reason": "CHG-7"}
    return AskBody(**{"hosts": (host,), **fields, "certificate": True, **changed})


DB1 = typed("db1")
"""What most tests type."""


def consent(
    ca: Installation, shown: m.AskReply, sign: Sign, words: signed_actions.Typed | None = DB1
) -> m.ActionSignature:
    """The signature over what is shown of a request that is not recorded yet, and over what was typed."""
    fresh = shown.challenge
    assert fresh is not None
    text = signed_actions.ask_text(shown.request, words, fresh, ca.config.installation)
    return m.ActionSignature(fresh, sign(signed_actions.ASK_NAMESPACE, text))


def as_shown(ca: Installation, what: A) -> A:
    """The act with what the CA shows of the lock or host that it is about, as the command line fills it in."""
    state = ca.context.state
    if isinstance(what, m.Unlock) and what.shown is None and what.lock in state.locks:
        lock = lock_view(ca.context, state.locks[what.lock])
        return replace(what, shown=wire.fill(m.ShownLock, lock))
    if isinstance(what, m.LabelHost | m.RemoveHost) and what.shown is None and what.name in state.hosts:
        return replace(what, shown=wire.fill(m.ShownHost, host_view(ca.context, state.hosts[what.name])))
    return what


def act(ca: Installation, login_id: str, sign: Sign, what: A) -> A:
    """The act, shown to its signer and signed for this login."""
    fresh, what = challenge(ca, login_id), as_shown(ca, what)
    text = signed_actions.act_text(what, fresh, ca.config.installation)
    given = m.ActionSignature(fresh, sign(signed_actions.ACT_NAMESPACE, text))
    return replace(what, login_id=login_id, consent=given)


def host_keys(ca: Installation, *kinds: str) -> tuple[Path, ...]:
    """A host's private keys, one of each kind."""
    return tuple(make_key(ca.home / f"host-{number}-{kind}", kind) for number, kind in enumerate(kinds))


def lines_of(keys: tuple[Path, ...]) -> tuple[str, ...]:
    """The public halves, as they are registered."""
    return tuple(sshkey.parse_line(key.with_name(f"{key.name}.pub").read_text()).line for key in keys)


def join(ca: Installation, name: str, token: str, keys: tuple[Path, ...], **said: Any) -> m.JoinHost:
    """What a new host sends, with what it ``said`` besides: then in the text of version 2."""
    unproved = m.JoinHost(name, lines_of(keys), "", (), **said)
    text = host_statements.join_texts(ca.config.installation, unproved)[0]
    mac = host_statements.join_mac(unb64url(token), text)
    proof = host_statements.join_proof(text, mac)
    return replace(
        unproved, mac=mac, signatures=tuple(ssh_sign(key, host_statements.JOIN_NAMESPACE, proof) for key in keys)
    )


def leave(ca: Installation, name: str, key: Path, time: int | None = None) -> m.LeaveHost:
    """What a host sends that leaves."""
    unsigned = m.LeaveHost(name, lines_of((key,))[0], int(ca.time) if time is None else time, "")
    text = host_statements.leave_text(ca.config.installation, unsigned)
    return replace(unsigned, signature=ssh_sign(key, host_statements.LEAVE_NAMESPACE, text))


def renew(
    ca: Installation, name: str, keys: tuple[Path, ...], time: int | None = None, *, shows: bool | None = None
) -> m.SignHost:
    """What a host sends to renew its certificates, and perhaps to say whether it shows them."""
    unsigned = m.SignHost(name, lines_of(keys), int(ca.time) if time is None else time, (), shows)
    text = host_statements.renew_proof(ca.config.installation, unsigned)
    return replace(unsigned, signatures=tuple(ssh_sign(key, host_statements.RENEW_NAMESPACE, text) for key in keys))


def report(ca: Installation, name: str, key: Path, **said: object) -> m.HostReport:
    """How a host says it is."""
    plain: dict[str, object] = {"time": int(ca.time), "bundle": 1, "sessions": 0, "ended": (), "problems": ()}
    unsigned = m.HostReport(name, lines_of((key,))[0], **{**plain, **said}, signature="")  # type: ignore[arg-type]
    text = host_statements.report_text(ca.config.installation, unsigned)
    return replace(unsigned, signature=ssh_sign(key, host_statements.REPORT_NAMESPACE, text))


def session_event(number: int, **said: Any) -> m.SessionEvent:
    """What a host tells of a session: that one by a certificate began, unless something else is said."""
    fields: dict[str, Any] = {
        "number": number,
        "kind": "start",
        "time": 1_800_000_000,
        "session": "ses-0123456789abcdef",
        "login": "deploy",
        "source": "192.0.2.7",
        "grant": "",
        "serial": 7,
        "certificate": "0" * 64,
        "key_id": "x",
        "emergency": False,
        "why": "",
    }
    return m.SessionEvent(**{**fields, **said})


def report_sessions(
    ca: Installation, key: Path, *told: m.SessionEvent, later: int = 6, **changed: Any
) -> m.ReportSessions:
    """What web9 reports of its sessions, as much later as it must be."""
    ca.later(later)
    fields = {"name": "web9", "host_key": lines_of((key,))[0], "time": int(ca.time), "lost": 0, **changed}
    unsigned = m.ReportSessions(**fields, events=told, signature="")
    text = session_reports.text(ca.config.installation, unsigned)
    return replace(unsigned, signature=ssh_sign(key, session_reports.NAMESPACE, text))
