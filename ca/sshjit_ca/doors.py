"""The CA's whole interface: which message is taken at which door, and what answers it.

``web`` is the front end's door, ``admin`` the operator's. What is not in the table is refused: there is no other way
in. ``prepare`` runs outside the batch, because it may have to wait for a provider; its result goes to the handler.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sshjit import messages as m
from sshjit_ca import approving, asking, enrolling, logins, reading, revoking, signing
from sshjit_ca.bundling import Bundles
from sshjit_ca.desk import Desk, Door
from sshjit_ca.store import Store

WEB: frozenset[Door] = frozenset({"web"})
ADMIN: frozenset[Door] = frozenset({"admin"})
BOTH = WEB | ADMIN


@dataclass(frozen=True, slots=True)
class Route:
    """How one message is answered: ``answer(desk, message, prepared or door)``."""

    doors: frozenset[Door]
    answer: Callable[[Desk, Any, Any], m.Reply]
    prepare: Callable[[Desk, Any, int], Any] | None = None


def table(store: Store, bundles: Bundles) -> dict[type[m.Message], Route]:
    """Every message that is taken."""

    def plain(handler: Callable[[Desk, Any], m.Reply]) -> Callable[[Desk, Any, Any], m.Reply]:
        return lambda desk, message, _: handler(desk, message)

    return {
        m.LoginWeb: Route(WEB, logins.open_web, prepare=logins.prepare_web),
        m.LoginNative: Route(WEB, logins.open_native, prepare=logins.prepare_native),
        m.Logout: Route(WEB, plain(logins.logout)),
        m.ReadLogin: Route(WEB, plain(logins.read_login)),
        m.Ask: Route(WEB, plain(asking.ask)),
        m.Cancel: Route(WEB, plain(asking.cancel)),
        m.End: Route(WEB, plain(asking.end)),
        m.Approve: Route(WEB, plain(approving.approve)),
        m.Deny: Route(WEB, plain(approving.deny)),
        m.SignUser: Route(WEB, plain(signing.sign_user)),
        m.ReadRequest: Route(WEB, plain(reading.read_request)),
        m.ReadRequests: Route(WEB, plain(reading.read_requests)),
        m.Revoke: Route(BOTH, revoking.revoke),
        m.AddHost: Route(ADMIN, plain(enrolling.add_host)),
        m.ReadHosts: Route(BOTH, plain(enrolling.read_hosts)),
        m.ReadLog: Route(BOTH, reading.read_log(store)),
        m.ReadBundle: Route(BOTH, plain(bundles.read)),
        m.ReadPolicy: Route(BOTH, plain(reading.read_policy)),
        m.Health: Route(BOTH, plain(reading.health)),
        m.Status: Route(ADMIN, plain(reading.status)),
    }
