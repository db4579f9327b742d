"""The CA's whole interface: which message is taken at which door, and what answers it.

``web`` is the front end's door, ``admin`` the operator's. What is not in the table is refused: there is no other way
in. ``prepare`` runs outside the batch, because it may have to wait for a provider; its result goes to the handler.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sshjit import ca_protocol as m
from sshjit_ca import rotating
from sshjit_ca.access import (
    approving,
    asking,
    consenting,
    ending,
    explaining,
    extending,
    feeding,
    locking,
    reading,
    reviewing,
    revoking,
    searching,
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


Routes = dict[type[m.Message], Route]


def table(store: Store, bundles: Bundles) -> Routes:
    """Every message that is taken."""
    history = History(store)
    return {
        **_PEOPLE,
        **_access(store, history),
        **_LOCKS,
        **_HOSTS,
        **_log(store, history),
        m.ReadBundle: Route(BOTH, _plain(bundles.read)),
        **_KEYS,
        **_CARE,
    }


def _plain(handler: Callable[[Desk, Any], m.Reply]) -> Callable[[Desk, Any, Any], m.Reply]:
    """A handler that need not know the door, and for which nothing was prepared."""
    return lambda desk, message, _: handler(desk, message)


_PEOPLE: Routes = {
    m.LoginWeb: Route(WEB, logins.open_web, prepare=logins.prepare_web),
    m.LoginNative: Route(WEB, logins.open_native, prepare=logins.prepare_native),
    m.Logout: Route(WEB, _plain(logins.logout)),
    m.ReadLogin: Route(WEB, _plain(logins.read_login)),
    m.RegisterHardwareKey: Route(ADMIN, _plain(hardware.register)),
    m.RemoveHardwareKey: Route(ADMIN, _plain(hardware.remove)),
    m.ReadHardwareKeys: Route(ADMIN, _plain(hardware.read)),
}


def _access(store: Store, history: History) -> Routes:
    return {
        m.Ask: Route(WEB, _plain(asking.ask)),
        m.Cancel: Route(WEB, _plain(ending.cancel)),
        m.End: Route(WEB, _plain(ending.end)),
        m.Extend: Route(WEB, _plain(extending.extend)),
        m.Approve: Route(WEB, _plain(approving.approve)),
        m.Deny: Route(WEB, _plain(approving.deny)),
        m.Comment: Route(WEB, _plain(reviewing.comment)),
        m.Review: Route(WEB, _plain(reviewing.review)),
        m.SignUser: Route(WEB, _plain(signing.sign_user)),
        m.ReadRequest: Route(WEB, _plain(reading.read_request(history))),
        m.ReadRequests: Route(WEB, _plain(searching.read_requests(history))),
        m.ReadFeed: Route(WEB, _plain(feeding.read_feed(store, history))),
        m.Explain: Route(BOTH, explaining.explain),
        m.ReadPolicy: Route(BOTH, reading.read_policy(store)),
        m.ReadPolicies: Route(ADMIN, _plain(reading.read_policies(store))),
        m.ReadChallenge: Route(WEB, _plain(consenting.read_challenge)),
    }


_LOCKS: Routes = {
    m.Revoke: Route(BOTH, revoking.revoke),
    m.Lock: Route(BOTH, locking.lock),
    m.Unlock: Route(BOTH, locking.unlock),
    m.ReadLocks: Route(BOTH, locking.read_locks),
}

_HOSTS: Routes = {
    m.AddHost: Route(BOTH, enrolling.add_host),
    m.InviteHost: Route(ADMIN, _plain(enrolling.invite_host)),
    m.CertifyHost: Route(ADMIN, _plain(enrolling.certify_host)),
    m.LabelHost: Route(BOTH, enrolling.label_host),
    m.RemoveHost: Route(BOTH, enrolling.remove_host),
    m.ReadHosts: Route(BOTH, enrolling.read_hosts),
    m.JoinHost: Route(WEB, _plain(joining.join_host)),
    m.SignHost: Route(WEB, _plain(joining.sign_host)),
    m.HostReport: Route(WEB, _plain(joining.host_report)),
}


def _log(store: Store, history: History) -> Routes:
    return {
        m.ReadLog: Route(BOTH, logreading.read_log(store, history)),
        m.ReadTile: Route(BOTH, _plain(tiling.read_tile(store))),
        m.ReadProof: Route(ADMIN, _plain(tiling.read_proof(store))),
        m.Forget: Route(ADMIN, _plain(forgetting.forget(store, history))),
    }


_KEYS: Routes = {
    m.ReadKeys: Route(ADMIN, rotating.read, prepare=rotating.prepare_read),
    m.AddKey: Route(ADMIN, rotating.add, prepare=rotating.prepare_add),
    m.ActivateKey: Route(ADMIN, rotating.activate, prepare=rotating.prepare_activate),
    m.RetireKey: Route(ADMIN, _plain(rotating.retire)),
}

_CARE: Routes = {
    m.Health: Route(BOTH, _plain(wellbeing.health)),
    m.Status: Route(ADMIN, wellbeing.status, prepare=wellbeing.prepare_status),
    m.ConfirmClock: Route(ADMIN, _plain(emergency.confirm_clock)),
    m.SignEmergency: Route(ADMIN, _plain(emergency.sign_emergency)),
}

_ANY_TROUBLE = frozenset({"clock", "disk_full"})
DESPITE: dict[type[m.Message], frozenset[str]] = {
    **dict.fromkeys((m.Revoke, m.Lock, m.Deny, m.Cancel, m.End, m.Logout, m.RemoveHost, m.RetireKey), _ANY_TROUBLE),
    **dict.fromkeys((m.ReadLogin, m.ReadRequest, m.ReadRequests, m.ReadHosts, m.ReadLocks, m.ReadKeys), _ANY_TROUBLE),
    **dict.fromkeys((m.ReadLog, m.ReadTile, m.ReadProof, m.ReadBundle, m.ReadPolicy, m.Health, m.Status), _ANY_TROUBLE),
    m.ReadPolicies: _ANY_TROUBLE,
    **dict.fromkeys((m.Explain, m.ReadFeed), _ANY_TROUBLE),
    m.RemoveHardwareKey: _ANY_TROUBLE,
    m.ReadHardwareKeys: _ANY_TROUBLE,
    m.ConfirmClock: _ANY_TROUBLE,
    m.SignEmergency: frozenset({"disk_full"}),
}
"""What is answered although the clock is not believed or the disk is full: what takes access away, and what only reads.

A bundle is among it, since hosts learn from it what was revoked. Whatever gives somebody something waits.
"""
