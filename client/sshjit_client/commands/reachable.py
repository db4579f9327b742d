"""What somebody can reach, and what it would take: the server's explanation for each host, in a few words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sshjit.api.explain import HostAnswer
from sshjit.api.hosts import HostView
from sshjit.api.views import RequestState, RequestView
from sshjit_client.api.full import FullApi
from sshjit_client.commands import resolve_request
from sshjit_client.console.times import at
from sshjit_client.requests import explained_hosts
from sshjit_client.storage.machine import Session

_ORDER = ("open", "pending", "allow", "approval", "reason", "step_up", "denied")


@dataclass(frozen=True, slots=True)
class Reachable:
    """A host, and what access to it takes. ``verdict`` is one of the words of ``_ORDER``, ``what`` is for people."""

    host: HostView
    verdict: str
    account: str
    what: str


def look(session: Session, api: FullApi, hosts: Sequence[HostView], limit: int) -> list[Reachable]:
    """What each of the first ``limit`` hosts takes, those that are open first, those out of reach last."""
    held = [
        request
        for request in resolve_request.mine(api, RequestState.APPROVED, RequestState.PENDING)
        if request.extends is None and not request.blocked
    ]
    by_host = {name: request for request in reversed(held) for name in request.hosts}
    now = resolve_request.now(api)
    first = sorted(hosts, key=lambda host: (host.name not in by_host, host.name))[:limit]

    asked = explained_hosts.ask(
        lambda: FullApi(session.url, session.token),
        api.version,
        [host.name for host in first if host.name not in by_host],
    )
    views = [
        _held(host, by_host[host.name], now) if host.name in by_host else _explained(host, asked[host.name])
        for host in first
    ]
    return sorted(views, key=lambda view: (_ORDER.index(view.verdict), view.host.name))


def _held(host: HostView, request: RequestView, now: int) -> Reachable:
    if request.state is RequestState.PENDING:
        return Reachable(host, "pending", request.login, "requested")
    later = request.start is not None and request.start > now
    when = f"opens {at(request.start or now)}" if later else f"open until {at(request.ends or now)}"
    return Reachable(host, "open", request.login, when)


def _explained(host: HostView, answer: HostAnswer) -> Reachable:
    account = answer.login or ""
    if answer.verdict == "allow":
        return Reachable(host, "allow", account, "granted immediately")
    if answer.verdict == "approval":
        count, roles = len(answer.approvals), ", ".join(dict.fromkeys(answer.approvals))
        return Reachable(host, "approval", account, f"needs {count} approval{'' if count == 1 else 's'} ({roles})")
    if answer.verdict == "step_up":
        return Reachable(host, "step_up", account, "needs a better sign-in")
    if answer.code == "bad_reason":
        return Reachable(host, "reason", account, "needs a reason")
    return Reachable(host, "denied", "", "not allowed")
