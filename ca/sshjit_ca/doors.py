"""The CA's whole interface: which message is taken at which door, and what answers it.

``web`` is the front end's door, ``admin`` the operator's. What is not in the table is refused: there is no other way
in. ``prepare`` runs outside the batch, because it may have to wait for a provider; its result goes to the handler.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sshjit import messages as m
from sshjit_ca import rotating
from sshjit_ca.access import (
    approving,
    asking,
    consenting,
    ending,
    extending,
    locking,
    reading,
    reviewing,
    revoking,
    signing,
)
from sshjit_ca.bundling import Bundles
from sshjit_ca.care import emergency, wellbeing
from sshjit_ca.desk import Desk, Door
from sshjit_ca.hosts import enrolling, joining
from sshjit_ca.log import forgetting, logreading, tiling
from sshjit_ca.log.history import History
from sshjit_ca.people import hardware, logins
from sshjit_ca.storage.store import Store

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

    history = History(store)
    return {
        m.LoginWeb: Route(WEB, logins.open_web, prepare=logins.prepare_web),
        m.LoginNative: Route(WEB, logins.open_native, prepare=logins.prepare_native),
        m.Logout: Route(WEB, plain(logins.logout)),
        m.ReadLogin: Route(WEB, plain(logins.read_login)),
        m.Ask: Route(WEB, plain(asking.ask)),
        m.Cancel: Route(WEB, plain(ending.cancel)),
        m.End: Route(WEB, plain(ending.end)),
        m.Extend: Route(WEB, plain(extending.extend)),
        m.Approve: Route(WEB, plain(approving.approve)),
        m.Deny: Route(WEB, plain(approving.deny)),
        m.Comment: Route(WEB, plain(reviewing.comment)),
        m.Review: Route(WEB, plain(reviewing.review)),
        m.SignUser: Route(WEB, plain(signing.sign_user)),
        m.ReadRequest: Route(WEB, plain(reading.read_request(history))),
        m.ReadRequests: Route(WEB, plain(reading.read_requests(history))),
        m.Revoke: Route(BOTH, revoking.revoke),
        m.Lock: Route(BOTH, locking.lock),
        m.Unlock: Route(BOTH, locking.unlock),
        m.ReadLocks: Route(BOTH, locking.read_locks),
        m.ReadChallenge: Route(WEB, plain(consenting.read_challenge)),
        m.AddHost: Route(BOTH, enrolling.add_host),
        m.InviteHost: Route(ADMIN, plain(enrolling.invite_host)),
        m.CertifyHost: Route(ADMIN, plain(enrolling.certify_host)),
        m.LabelHost: Route(BOTH, enrolling.label_host),
        m.RemoveHost: Route(BOTH, enrolling.remove_host),
        m.JoinHost: Route(WEB, plain(joining.join_host)),
        m.SignHost: Route(WEB, plain(joining.sign_host)),
        m.HostReport: Route(WEB, plain(joining.host_report)),
        m.RegisterHardwareKey: Route(ADMIN, plain(hardware.register)),
        m.RemoveHardwareKey: Route(ADMIN, plain(hardware.remove)),
        m.ReadHardwareKeys: Route(ADMIN, plain(hardware.read)),
        m.ReadHosts: Route(BOTH, enrolling.read_hosts),
        m.ReadLog: Route(BOTH, logreading.read_log(store, history)),
        m.ReadTile: Route(BOTH, plain(tiling.read_tile(store))),
        m.ReadProof: Route(ADMIN, plain(tiling.read_proof(store))),
        m.Forget: Route(ADMIN, plain(forgetting.forget(store, history))),
        m.ReadBundle: Route(BOTH, plain(bundles.read)),
        m.ReadKeys: Route(ADMIN, rotating.read, prepare=rotating.prepare_read),
        m.AddKey: Route(ADMIN, rotating.add, prepare=rotating.prepare_add),
        m.ActivateKey: Route(ADMIN, rotating.activate, prepare=rotating.prepare_activate),
        m.RetireKey: Route(ADMIN, plain(rotating.retire)),
        m.ReadPolicy: Route(BOTH, plain(reading.read_policy)),
        m.Health: Route(BOTH, plain(wellbeing.health)),
        m.Status: Route(ADMIN, wellbeing.status, prepare=wellbeing.prepare_status),
        m.ConfirmClock: Route(ADMIN, plain(emergency.confirm_clock)),
        m.SignEmergency: Route(ADMIN, plain(emergency.sign_emergency)),
    }


_ANY_TROUBLE = frozenset({"clock", "disk_full"})
DESPITE: dict[type[m.Message], frozenset[str]] = {
    **dict.fromkeys((m.Revoke, m.Lock, m.Deny, m.Cancel, m.End, m.Logout, m.RemoveHost, m.RetireKey), _ANY_TROUBLE),
    **dict.fromkeys((m.ReadLogin, m.ReadRequest, m.ReadRequests, m.ReadHosts, m.ReadLocks, m.ReadKeys), _ANY_TROUBLE),
    **dict.fromkeys((m.ReadLog, m.ReadTile, m.ReadProof, m.ReadBundle, m.ReadPolicy, m.Health, m.Status), _ANY_TROUBLE),
    m.RemoveHardwareKey: _ANY_TROUBLE,
    m.ReadHardwareKeys: _ANY_TROUBLE,
    m.ConfirmClock: _ANY_TROUBLE,
    m.SignEmergency: frozenset({"disk_full"}),
}
"""What is answered although the clock is not believed or the disk is full: what takes access away, and what only reads.

A bundle is among it, since hosts learn from it what was revoked. Whatever gives somebody something waits.
"""
