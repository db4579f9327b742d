"""The CA's whole interface: which message is taken at which door, and what answers it.

``web`` is the front end's door, ``admin`` the operator's. What is not in the table is refused: there is no other way
in. ``prepare`` runs outside the batch, because it may have to wait for a provider; its result goes to the handler.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sshjit import ca_protocol as m
from sshjit_ca.access import emergency_certificates, issuance, signed_actions
from sshjit_ca.context import Context
from sshjit_ca.handlers import (
    approvals,
    ca_keys,
    ending,
    extend,
    feed,
    forgetting,
    hardware_keys,
    host_enrolment,
    hosts,
    locks,
    log,
    logins,
    policy,
    read_request,
    request_access,
    reviews,
    revocation,
    search,
    status,
    tiles,
)
from sshjit_ca.handlers.bundle import Bundles
from sshjit_ca.log.history import History
from sshjit_ca.sockets import Socket
from sshjit_ca.storage.store import Store

WEB: frozenset[Socket] = frozenset({"web"})
ADMIN: frozenset[Socket] = frozenset({"admin"})
BOTH = WEB | ADMIN


@dataclass(frozen=True, slots=True)
class Route:
    """How one message is answered: ``answer(context, message, prepared or door)``."""

    doors: frozenset[Socket]
    answer: Callable[[Context, Any, Any], m.Reply]
    prepare: Callable[[Context, Any, int], Any] | None = None


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


def _plain(handler: Callable[[Context, Any], m.Reply]) -> Callable[[Context, Any, Any], m.Reply]:
    """A handler that need not know the door, and for which nothing was prepared."""
    return lambda context, message, _: handler(context, message)


_PEOPLE: Routes = {
    m.LoginWeb: Route(WEB, logins.open_web, prepare=logins.prepare_web),
    m.LoginNative: Route(WEB, logins.open_native, prepare=logins.prepare_native),
    m.Logout: Route(WEB, _plain(logins.logout)),
    m.ReadLogin: Route(WEB, _plain(logins.read_login)),
    m.RegisterHardwareKey: Route(ADMIN, _plain(hardware_keys.register)),
    m.RemoveHardwareKey: Route(ADMIN, _plain(hardware_keys.remove)),
    m.ReadHardwareKeys: Route(ADMIN, _plain(hardware_keys.read)),
}


def _access(store: Store, history: History) -> Routes:
    return {
        m.Ask: Route(WEB, _plain(request_access.ask)),
        m.Cancel: Route(WEB, _plain(ending.cancel)),
        m.End: Route(WEB, _plain(ending.end)),
        m.Extend: Route(WEB, _plain(extend.extend)),
        m.Approve: Route(WEB, _plain(approvals.approve)),
        m.Deny: Route(WEB, _plain(approvals.deny)),
        m.Comment: Route(WEB, _plain(reviews.comment)),
        m.Review: Route(WEB, _plain(reviews.review)),
        m.SignUser: Route(WEB, _plain(issuance.sign_user)),
        m.ReadRequest: Route(WEB, _plain(read_request.read_request(history))),
        m.ReadRequests: Route(WEB, _plain(search.read_requests(history))),
        m.ReadFeed: Route(WEB, _plain(feed.read_feed(store, history))),
        m.Explain: Route(BOTH, policy.explain),
        m.ReadPolicy: Route(BOTH, read_request.read_policy(store)),
        m.ReadPolicies: Route(ADMIN, _plain(read_request.read_policies(store))),
        m.ReadChallenge: Route(WEB, _plain(signed_actions.read_challenge)),
    }


_LOCKS: Routes = {
    m.Revoke: Route(BOTH, revocation.revoke),
    m.Lock: Route(BOTH, locks.lock),
    m.Unlock: Route(BOTH, locks.unlock),
    m.ReadLocks: Route(BOTH, locks.read_locks),
}

_HOSTS: Routes = {
    m.AddHost: Route(BOTH, hosts.add_host),
    m.InviteHost: Route(ADMIN, _plain(hosts.invite_host)),
    m.CertifyHost: Route(ADMIN, _plain(hosts.certify_host)),
    m.LabelHost: Route(BOTH, hosts.label_host),
    m.RemoveHost: Route(BOTH, hosts.remove_host),
    m.ReadHosts: Route(BOTH, hosts.read_hosts),
    m.JoinHost: Route(WEB, _plain(host_enrolment.join_host)),
    m.SignHost: Route(WEB, _plain(host_enrolment.sign_host)),
    m.HostReport: Route(WEB, _plain(host_enrolment.host_report)),
}


def _log(store: Store, history: History) -> Routes:
    return {
        m.ReadLog: Route(BOTH, log.read_log(store, history)),
        m.ReadTile: Route(BOTH, _plain(tiles.read_tile(store))),
        m.ReadProof: Route(ADMIN, _plain(tiles.read_proof(store))),
        m.Forget: Route(ADMIN, _plain(forgetting.forget(store, history))),
    }


_KEYS: Routes = {
    m.ReadKeys: Route(ADMIN, ca_keys.read, prepare=ca_keys.prepare_read),
    m.AddKey: Route(ADMIN, ca_keys.add, prepare=ca_keys.prepare_add),
    m.ActivateKey: Route(ADMIN, ca_keys.activate, prepare=ca_keys.prepare_activate),
    m.RetireKey: Route(ADMIN, _plain(ca_keys.retire)),
}

_CARE: Routes = {
    m.Health: Route(BOTH, _plain(status.health)),
    m.Status: Route(ADMIN, status.status, prepare=status.prepare_status),
    m.ConfirmClock: Route(ADMIN, _plain(emergency_certificates.confirm_clock)),
    m.SignEmergency: Route(ADMIN, _plain(emergency_certificates.sign_emergency)),
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
