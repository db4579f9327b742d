"""Invitations by which hosts join: a fleet's are made here, and those of every kind are listed and ended."""

from __future__ import annotations

from sshjit import durations, names
from sshjit.ca_protocol.hosts import (
    EndInvitation,
    FleetReply,
    InvitationsReply,
    InvitationView,
    InviteFleet,
    ReadInvitations,
)
from sshjit.errors import Invalid
from sshjit.events import FleetInvited, InvitationEnded
from sshjit.login import b64url
from sshjit_ca.access import bastions, host_statements, hosts
from sshjit_ca.access.lookup import id_meant
from sshjit_ca.context import Context
from sshjit_ca.state import Fleet, Host, locks
from sshjit_ca.state.records import Invited

MOST_USES = 10_000
MOST_NETWORKS = 16
LONGEST = 366 * 24 * 3600
"""Seconds that a fleet's token counts at most."""
SHORTEST_ABSENCE = 7 * 24 * 3600
"""Seconds that a host certificate lives: a host that did not renew within them is of no use to anybody."""


def invite_fleet(context: Context, message: InviteFleet) -> FleetReply:
    """A token by which hosts of a fleet join, with labels that it fixes.

    Raises:
        Invalid: ``bad_pattern``, ``bad_labels``, ``label_not_by_token``, ``bad_login``, ``bad_uses``, ``bad_until``,
            ``bad_forget_after``, ``bad_network``, ``too_many``, and as ``bastions.Ways.check``.
        Refused: ``locked``.

    """
    pattern = names.host_pattern(names.lowered(message.pattern))
    hosts.check_labels(context, message.labels, by_token=True)
    logins = hosts.check_logins(message.logins)
    via = bastions.id_of(context, message.via)
    bastions.ways(context).check(Host(pattern, pattern, (), "", 0, (), (), via=via))
    if len(message.networks) > MOST_NETWORKS:
        raise Invalid("too_many", f"an invitation names at most {MOST_NETWORKS} networks")
    networks = tuple(names.network(each) for each in message.networks)
    if not 1 <= message.uses <= MOST_USES:
        raise Invalid("bad_uses", f"an invitation is for 1 to {MOST_USES} hosts")
    if not context.now < message.expires <= context.now + LONGEST:
        raise Invalid("bad_until", f"an invitation ends in the future, within {durations.show(LONGEST)}")
    if not SHORTEST_ABSENCE <= message.forget_after <= LONGEST:
        text = f"hosts are removed after {durations.show(SHORTEST_ABSENCE)} to {durations.show(LONGEST)} without a word"
        raise Invalid("bad_forget_after", text)
    locks.refuse_new(context.state)
    invitation, nonce = context.new_id("inv"), b64url(context.random(host_statements.NONCE_BYTES))
    token = b64url(host_statements.fleet_token_of(context, invitation, nonce))
    context.record(
        FleetInvited(
            invitation=invitation,
            nonce=nonce,
            uses=message.uses,
            expires=message.expires,
            forget_after=message.forget_after,
            pattern=pattern,
            labels=hosts.pairs_of(message.labels),
            logins=logins,
            via=via,
            networks=networks,
        )
    )
    root = context.keys.public("bundle").fingerprint
    return FleetReply(_fleet_view(context.state.fleets[invitation]), token, root)


def read_invitations(context: Context, _: ReadInvitations) -> InvitationsReply:
    """The invitations that are not over by time."""
    state, now = context.state, context.now
    fleets = tuple(_fleet_view(fleet) for fleet in state.fleets.values() if now < fleet.expires)
    single = tuple(
        _view(host.name, host.logins, host.labels, invited)
        for _, host in sorted(state.hosts.items())
        if (invited := state.invited.get(host.id)) is not None and now < invited.expires
    )
    return InvitationsReply((*fleets, *single))


def end_invitation(context: Context, message: EndInvitation) -> InvitationsReply:
    """A token counts no more; whoever comes with it raises an alarm.

    Raises:
        Invalid: ``unknown_invitation``, ``which_invitation``.

    """
    reason = names.free_text(message.reason, "the reason")
    fleet = context.state.fleets.get(id_meant(context, message.invitation, context.state.fleets, "inv-", "invitation"))
    if fleet is not None:
        if not fleet.revoked:
            context.record(InvitationEnded(fleet.id, "", fleet.pattern, reason))
        return InvitationsReply((_fleet_view(context.state.fleets[fleet.id]),))
    host = context.state.hosts.get(names.lowered(message.invitation))
    invited = None if host is None else context.state.invited.get(host.id)
    if host is None or invited is None or invited.over == "used":
        text = f"there is no open invitation {names.show(message.invitation)}"
        raise Invalid("unknown_invitation", text, hint="ssh-jit-ca host invitations")
    if not invited.over:
        context.record(InvitationEnded(None, host.id, host.name, reason))
    return InvitationsReply((_view(host.name, host.logins, host.labels, context.state.invited[host.id]),))


def _fleet_view(fleet: Fleet) -> InvitationView:
    return InvitationView(
        id=fleet.id,
        pattern=fleet.pattern,
        labels=fleet.labels,
        logins=fleet.logins,
        uses=fleet.uses,
        used=fleet.used,
        expires=fleet.expires,
        forget_after=fleet.forget_after,
        over="revoked" if fleet.revoked else "used" if fleet.used >= fleet.uses else "",
    )


def _view(name: str, logins: tuple[str, ...], labels: tuple[tuple[str, str], ...], invited: Invited) -> InvitationView:
    return InvitationView(
        id=name,
        pattern="",
        labels=labels,
        logins=logins,
        uses=1,
        used=int(invited.over == "used"),
        expires=invited.expires,
        forget_after=0,
        over=invited.over,
    )
