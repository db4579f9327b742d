"""Requests that the server answers with a challenge: the request as it would be recorded is checked and signed.

The server says which hosts, account and rule are meant. What was typed must stand in it unchanged, and is signed beside
it; hosts that are called otherwise are printed first. If the key cannot sign now, the request goes without, and is
marked so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeVar

from sshjit import signed_actions
from sshjit.api.ask import AskBody, AskReply
from sshjit.api.bodies import ExtendBody
from sshjit.api.views import RequestView
from sshjit.errors import Failed
from sshjit_client.identity import login_key
from sshjit_client.storage.machine import Machine, Session

B = TypeVar("B", AskBody, ExtendBody)


def answer(
    machine: Machine, session: Session, body: AskBody, reply: AskReply, send: Callable[[AskBody], AskReply]
) -> AskReply:
    """Sends a request for access again, signed as the server wants it.

    Raises:
        Failed: ``bad_answer``: there is something else to sign than what was typed.

    """
    shown = reply.request
    _require(session, shown, _differences(body, shown))
    if shown.hosts != body.hosts:
        machine.terminal.say(f"this request is for {shown.login} on {', '.join(shown.hosts)}")
    return _signed(machine, session, body, reply, send)


def extend(
    machine: Machine,
    session: Session,
    grant: RequestView,
    body: ExtendBody,
    send: Callable[[ExtendBody], AskReply],
) -> AskReply:
    """Sends a request for more time in ``grant``, and signs it if the server wants that. Raises as ``answer``."""
    reply = send(body)
    if reply.challenge is None:
        return reply
    same = ("hosts", "host_ids", "login", "action", "command", "break_glass")
    differences = [name for name in same if getattr(reply.request, name) != getattr(grant, name)]
    differences += ["extends"] if reply.request.extends != grant.id else []
    differences += ["reason"] if reply.request.reason != body.reason else []
    _require(session, reply.request, differences)
    return _signed(machine, session, body, reply, send)


def _differences(body: AskBody, shown: RequestView) -> Iterator[str]:
    """What was typed and stands otherwise in what is to be signed. Names of hosts may be aliases: those are printed."""
    if not shown.hosts or (not body.labels and len(shown.hosts) > len(body.hosts)):
        yield "hosts"
    if body.login not in (None, shown.login):
        yield "login"
    if shown.action != body.action or body.command not in (None, shown.command):
        yield "action"
    if body.duration is not None and shown.duration > body.duration:
        yield "duration"
    if shown.start not in (body.start, None):
        yield "start"
    yield from (name for name in ("reason", "break_glass") if getattr(shown, name) != getattr(body, name))
    if shown.extends is not None:
        yield "extends"


def _require(session: Session, shown: RequestView, differences: Iterator[str] | list[str]) -> None:
    wrong = [*differences, *([] if shown.requester.id == session.login.person.id else ["requester"])]
    if wrong:
        what = ", ".join(wrong)
        text = f"the server wants a signature for something else than you typed ({what}); nothing was signed"
        raise Failed("bad_answer", text)


def _signed(machine: Machine, session: Session, body: B, reply: AskReply, send: Callable[[B], AskReply]) -> AskReply:
    challenge = reply.challenge or ""
    typed = body if isinstance(body, AskBody) else None
    text = signed_actions.ask_text(reply.request, typed, challenge, machine.settings().installation)
    try:
        consent = login_key.sign(machine, session, challenge, signed_actions.ASK_NAMESPACE, text)
    except Failed as error:
        login_key.unsigned(machine, "request", error)
        again = send(replace(body, unsigned=True))
    else:
        again = send(replace(body, consent=consent))
    if again.challenge is not None:
        raise Failed("bad_answer", "the server wants a second signature for the same request")
    return again
