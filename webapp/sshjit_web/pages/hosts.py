"""The hosts: what one can do on each, and why; for people who keep or audit them, how each is."""

from __future__ import annotations

from collections.abc import Sequence

from flask import request
from werkzeug.wrappers import Response as AnyResponse

from sshjit.api.explain import ExplainReply, HostAnswer
from sshjit.api.hosts import HostView
from sshjit.api.session import LoginView
from sshjit.ca_protocol.explain import Explain
from sshjit.ca_protocol.hosts import HostHealth, HostHealthReply, ReadHostHealth
from sshjit.errors import Invalid, SshJitError
from sshjit_web.auth import current_login
from sshjit_web.pages import common
from sshjit_web.pages.common import blueprint, query
from sshjit_web.services import services

HOSTS_SHOWN = 30
"""Hosts on a page: the CA explains at most 64 at a time."""
_TALKS = frozenset({"bad_reason"})
"""Codes of what a reason alone mends."""


@blueprint.get("/hosts")
def hosts() -> AnyResponse | str:
    """Hosts by name, with what one may do there."""
    login, words, first = current_login(), query("find").lower().split(), common.number("from") or 0
    known = [host for host in services().ca_cache.hosts(login.id) if all(_has(host, word) for word in words)]
    shown = known[first : first + HOSTS_SHOWN]
    try:
        answers, health = _answers(login, shown), _health(login, shown)
    except SshJitError as error:
        common.raise_if_signed_out(error)
        return common.failed(_list(login, known, first, {}, {}, error=error), error)
    return _list(login, known, first, answers, health)


@blueprint.get("/hosts/<name>")
def host(name: str) -> AnyResponse | str:
    """One host: labels, the answer to a request for a shell there, and how it is."""
    login = current_login()
    known = next((host for host in services().ca_cache.hosts(login.id) if name in (host.name, *host.aliases)), None)
    if known is None:
        raise Invalid("unknown_host", f"there is no host {name}", hint="look among all hosts")
    try:
        reply, health = services().ca.call(_question(login, (known.name,)), ExplainReply), _health(login, [known])
    except SshJitError as error:
        common.raise_if_signed_out(error)
        return common.failed(_one(login, known, None, None, error), error)
    return _one(login, known, reply, health.get(known.name))


def _list(
    login: LoginView,
    known: Sequence[HostView],
    first: int,
    answers: dict[str, HostAnswer],
    health: dict[str, HostHealth],
    *,
    error: SshJitError | None = None,
) -> str:
    return common.render(
        "hosts.html",
        login,
        listed=known[first : first + HOSTS_SHOWN],
        count=len(known),
        first=first,
        later=first + HOSTS_SHOWN if first + HOSTS_SHOWN < len(known) else None,
        find=query("find"),
        answers={name: _sentence(answer) for name, answer in answers.items()},
        health=health,
        keeper=_sees_health(login),
        error=error,
    )


def _one(
    login: LoginView,
    known: HostView,
    reply: ExplainReply | None,
    health: HostHealth | None,
    error: SshJitError | None = None,
) -> str:
    return common.render("host.html", login, host=known, reply=reply, health=health, error=error)


def _has(host: HostView, word: str) -> bool:
    """Whether a host has a word in a name, or a label's ``key=value`` begins with it."""
    return any(word in name for name in (host.name, *host.aliases)) or any(
        f"{key}={value}".startswith(word) or value == word for key, value in host.labels
    )


def _question(login: LoginView, names: tuple[str, ...], *, alone: bool = False) -> Explain:
    """A shell under the usual account: what most people want. ``alone``: on each host by itself."""
    address = request.remote_addr or ""
    return Explain(
        login.id, None, names, (), None, "shell", None, None, "", None, break_glass=False, address=address, each=alone
    )


def _answers(login: LoginView, shown: Sequence[HostView]) -> dict[str, HostAnswer]:
    if not shown:
        return {}
    reply = services().ca.call(_question(login, tuple(host.name for host in shown), alone=True), ExplainReply)
    return {answer.host: answer for answer in reply.each}


def _sees_health(login: LoginView) -> bool:
    return not {"audit", "hosts"}.isdisjoint(login.permissions)


def _health(login: LoginView, shown: Sequence[HostView]) -> dict[str, HostHealth]:
    if not shown or not _sees_health(login):
        return {}
    names = tuple(host.name for host in shown)
    return {each.host: each for each in services().ca.call(ReadHostHealth(login.id, names), HostHealthReply).hosts}


def _sentence(answer: HostAnswer) -> tuple[str, str]:
    """How a badge looks, and what it says."""
    if answer.verdict == "allow" or answer.code in _TALKS:
        return "live", "Granted immediately" if answer.verdict == "allow" else "Needs a reason"
    if answer.verdict == "approval":
        count = len(answer.approvals)
        return "waiting", f"Needs {count} {'approval' if count == 1 else 'approvals'}"
    if answer.verdict == "step_up":
        return "waiting", "Needs a new sign-in"
    return "no", "Not allowed"
