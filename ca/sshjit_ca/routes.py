"""The CA's whole interface: which message is taken at which socket, and what answers it.

What is not in the table is refused: there is no other way in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from sshjit import ca_protocol as m
from sshjit_ca import preparations
from sshjit_ca.access import ticket_errands
from sshjit_ca.context import Context
from sshjit_ca.handlers import (
    approvals,
    bundle,
    ca_keys,
    emergency,
    feed,
    hardware_keys,
    host_enrolment,
    hosts,
    inventory,
    invitations,
    locks,
    log,
    logins,
    metrics,
    own_logins,
    passkeys,
    policy,
    probes,
    provider_logout,
    read_requests,
    request_access,
    reviews,
    revocation,
    sessions,
    status,
)
from sshjit_ca.sockets import Socket

Pool = Literal["web", "admin", "tickets"]
"""Threads for what waits for others: one kind never keeps another waiting."""
WEB: frozenset[Socket] = frozenset({"web"})
ADMIN: frozenset[Socket] = frozenset({"admin"})
BOTH = WEB | ADMIN


@dataclass(frozen=True, slots=True)
class Route:
    """How one message is answered: ``handler(context, message)``.

    ``prepare(context, message, now)`` runs before the batch, in a thread, because it may have to wait for a provider or
    a device; the handler gets its result by ``context.prepared``.
    """

    sockets: frozenset[Socket]
    handler: Callable[[Context, Any], m.Reply]
    prepare: Callable[[Context, Any, int], object] | None = None
    need: Callable[[Context, Any], object | None] | None = None
    """Finds out, in a turn, what ``prepare`` has to do; it gets that in place of the message. ``None``: nothing."""
    pool: Pool | None = None
    """Which threads do it; those of the socket, if not said."""


ROUTES: dict[type[m.Message], Route] = {
    # sign-in
    m.LoginWeb: Route(WEB, logins.open_web, preparations.prepare_web_login),
    m.LoginNative: Route(WEB, logins.open_native, preparations.prepare_native_login),
    m.LoginWorkload: Route(WEB, logins.open_workload, preparations.prepare_workload_login),
    m.Logout: Route(WEB, logins.logout),
    m.ProviderLogout: Route(WEB, provider_logout.end_sessions, preparations.prepare_provider_logout),
    m.ReadLogin: Route(WEB, logins.read_login),
    m.ReadLogins: Route(WEB, own_logins.read_logins),
    m.EndLogins: Route(WEB, own_logins.end_logins),
    m.ReadChallenge: Route(WEB, logins.read_challenge),
    m.RegisterHardwareKey: Route(ADMIN, hardware_keys.register_hardware_key),
    m.RemoveHardwareKey: Route(ADMIN, hardware_keys.remove_hardware_key),
    m.ReadHardwareKeys: Route(ADMIN, hardware_keys.read_hardware_keys),
    m.OfferPasskey: Route(WEB, passkeys.offer_passkey),
    m.ReadPasskeyOffer: Route(WEB, passkeys.read_passkey_offer),
    m.ReadPasskeyOptions: Route(WEB, passkeys.read_passkey_options),
    m.MakePasskey: Route(WEB, passkeys.make_passkey),
    m.RegisterPasskey: Route(WEB, passkeys.register_passkey),
    m.AcceptPasskey: Route(BOTH, passkeys.accept_passkey),
    m.RemovePasskey: Route(BOTH, passkeys.remove_passkey),
    m.ReadPasskeys: Route(BOTH, passkeys.read_passkeys),
    m.ReadPasskeyChallenge: Route(WEB, passkeys.read_passkey_challenge),
    # access
    m.Ask: Route(WEB, request_access.ask, ticket_errands.look_up, ticket_errands.for_ask, "tickets"),
    m.SignUser: Route(WEB, request_access.sign_user),
    m.Extend: Route(WEB, request_access.extend, ticket_errands.look_up, ticket_errands.for_extension, "tickets"),
    m.Cancel: Route(WEB, request_access.cancel),
    m.End: Route(WEB, request_access.end),
    m.Approve: Route(WEB, approvals.approve, ticket_errands.look_up, ticket_errands.for_approval, "tickets"),
    m.Deny: Route(WEB, approvals.deny),
    m.Comment: Route(WEB, reviews.comment),
    m.Review: Route(WEB, reviews.review),
    m.ReadRequest: Route(WEB, read_requests.read_request),
    m.ReadRequests: Route(WEB, read_requests.read_requests),
    m.ReadFeed: Route(WEB, feed.read_feed),
    m.Explain: Route(BOTH, policy.explain),
    m.ReadPolicy: Route(BOTH, policy.read_policy),
    m.ReadPolicies: Route(BOTH, policy.read_policies),
    m.LoadPolicy: Route(ADMIN, policy.load_policy, preparations.read_policy_file),
    m.Revoke: Route(BOTH, revocation.revoke),
    m.Lock: Route(BOTH, locks.lock),
    m.Unlock: Route(BOTH, locks.unlock),
    m.ReadLocks: Route(BOTH, locks.read_locks),
    m.ReadReach: Route(BOTH, locks.read_reach),
    # hosts
    m.AddHost: Route(BOTH, hosts.add_host),
    m.InviteHost: Route(ADMIN, hosts.invite_host),
    m.InviteFleet: Route(ADMIN, invitations.invite_fleet),
    m.ApplyHosts: Route(ADMIN, inventory.apply_hosts),
    m.ReadInvitations: Route(ADMIN, invitations.read_invitations),
    m.EndInvitation: Route(ADMIN, invitations.end_invitation),
    m.CertifyHost: Route(ADMIN, hosts.certify_host),
    m.LabelHost: Route(BOTH, hosts.label_host),
    m.ChangeHost: Route(ADMIN, hosts.change_host),
    m.RemoveHost: Route(BOTH, hosts.remove_host),
    m.ReadHosts: Route(BOTH, hosts.read_hosts),
    m.ReadHostHealth: Route(WEB, hosts.read_host_health),
    m.SignProbes: Route(ADMIN, probes.sign_probes),
    m.ReportProbes: Route(ADMIN, probes.report_probes),
    m.JoinHost: Route(WEB, host_enrolment.join_host),
    m.SignHost: Route(WEB, host_enrolment.sign_host),
    m.LeaveHost: Route(WEB, host_enrolment.leave_host),
    m.HostReport: Route(WEB, host_enrolment.host_report),
    m.ReportSessions: Route(WEB, sessions.report_sessions),
    m.ReadBundle: Route(BOTH, bundle.read_bundle),
    # the log
    m.ReadLog: Route(BOTH, log.read_log),
    m.ReadTile: Route(BOTH, log.read_tile),
    m.ReadCosigned: Route(BOTH, log.read_cosigned),
    m.ReadProof: Route(ADMIN, log.read_proof),
    m.Forget: Route(ADMIN, log.forget),
    # the CA itself
    m.ReadKeys: Route(ADMIN, ca_keys.read_keys, preparations.probe_keys),
    m.AddKey: Route(ADMIN, ca_keys.add_key, preparations.prepare_new_key),
    m.ActivateKey: Route(ADMIN, ca_keys.activate_key, preparations.prepare_activation),
    m.DeactivateKey: Route(ADMIN, ca_keys.deactivate_key),
    m.RetireKey: Route(ADMIN, ca_keys.retire_key),
    m.Health: Route(BOTH, status.health),
    m.ReadMetrics: Route(BOTH, metrics.read_metrics),
    m.Status: Route(ADMIN, status.status, preparations.probe_keys),
    m.ConfirmClock: Route(ADMIN, emergency.confirm_clock),
    m.SignEmergency: Route(ADMIN, emergency.sign_emergency),
}
"""Every message that is taken."""

_ANY_TROUBLE = frozenset({"clock", "disk_full"})
DESPITE: dict[type[m.Message], frozenset[str]] = {
    **dict.fromkeys((m.Revoke, m.Lock, m.Deny, m.Cancel, m.End, m.Logout, m.RetireKey, m.DeactivateKey), _ANY_TROUBLE),
    **dict.fromkeys((m.RemoveHost, m.LeaveHost, m.EndInvitation, m.ReadInvitations), _ANY_TROUBLE),
    **dict.fromkeys((m.ReadLogin, m.ReadRequest, m.ReadRequests, m.ReadHosts, m.ReadLocks, m.ReadKeys), _ANY_TROUBLE),
    m.ReadReach: _ANY_TROUBLE,
    m.ReadHostHealth: _ANY_TROUBLE,
    **dict.fromkeys((m.ReadLog, m.ReadTile, m.ReadCosigned, m.ReadProof), _ANY_TROUBLE),
    **dict.fromkeys((m.ReadBundle, m.ReadPolicy, m.Health, m.ReadMetrics, m.Status), _ANY_TROUBLE),
    m.ReadPolicies: _ANY_TROUBLE,
    **dict.fromkeys((m.ProviderLogout, m.EndLogins, m.ReadLogins), _ANY_TROUBLE),
    **dict.fromkeys((m.Explain, m.ReadFeed), _ANY_TROUBLE),
    m.RemoveHardwareKey: _ANY_TROUBLE,
    m.RemovePasskey: _ANY_TROUBLE,
    m.ReadPasskeys: _ANY_TROUBLE,
    m.ReadHardwareKeys: _ANY_TROUBLE,
    m.ConfirmClock: _ANY_TROUBLE,
    m.SignEmergency: frozenset({"disk_full"}),
}
"""What is answered although the clock is not believed or the disk is full: what takes access away, and what only reads.
While the database does not answer: what reads what the CA holds in memory.

A bundle is among it, since hosts learn from it what was revoked. Whatever gives somebody something waits.
"""

_FROM_MEMORY = (m.ReadLogin, m.ReadRequest, m.ReadRequests, m.ReadHosts, m.ReadLocks, m.ReadReach, m.ReadKeys)
_OF_ITSELF = (m.ReadHostHealth, m.ReadHardwareKeys, m.ReadPasskeys, m.Explain, m.Health, m.ReadMetrics, m.Status)
DESPITE |= {kind: DESPITE[kind] | {"database_silent"} for kind in (*_FROM_MEMORY, *_OF_ITSELF)}
