"""Hosts: the list, what admins change about them with a signature, and what a host says for itself.

Nobody signs in for the last: a host proves what it says to the CA, by its token and its keys.
"""

from __future__ import annotations

from flask import Response

from sshjit import wire
from sshjit.api.bodies import HostBody, LabelsBody, RemoveBody
from sshjit.api.host_sessions import ReportSessions, SessionsReply
from sshjit.api.hosts import HostReply, HostReport, HostsReply, JoinHost, LeaveHost, SignHost
from sshjit.api.outcomes import Done
from sshjit.api.signed import AddHost, LabelHost, RemoveHost
from sshjit.ca_protocol.hosts import ReadHosts
from sshjit_web.api.calls import Asked, Question, calls, done, hand_on
from sshjit_web.api.json_io import blueprint, body, carried, login_id, nothing
from sshjit_web.services import services


@blueprint.get("/hosts")
def hosts() -> Response:
    """The hosts there are."""
    return carried(ReadHosts(login_id()), HostsReply)


@blueprint.post("/hosts")
def add() -> Response:
    """Enrols a host."""
    message = wire.fill(AddHost, body(HostBody), login_id=login_id())
    return carried(message, HostReply, status=201)


@blueprint.post("/hosts/<name>/labels")
def label(name: str) -> Response:
    """Replaces all labels of a host."""
    return carried(wire.fill(LabelHost, body(LabelsBody), login_id=login_id(), name=name), HostReply)


@blueprint.post("/hosts/<name>/remove")
def remove(name: str) -> Response:
    """Forgets a host. Not DELETE: what a body means there nobody says (RFC 9110, 9.3.5), and a signature is needed."""
    services().ca.call(wire.fill(RemoveHost, body(RemoveBody), login_id=login_id(), name=name), Done)
    return nothing()


@calls.post("/host/join")
def join(asked: Asked) -> Question:
    """A new host shows its token and its keys, and gets their certificates."""
    return hand_on(asked.body(JoinHost), HostReply, status=201)


@calls.post("/host/renew")
def renew(asked: Asked) -> Question:
    """A host gets new certificates for its keys."""
    return hand_on(asked.body(SignHost), HostReply, status=201)


@calls.post("/host/leave")
def leave(asked: Asked) -> Question:
    """A host is no longer to be reached."""
    return done(asked.body(LeaveHost), Done)


@calls.post("/host/sessions")
def sessions(asked: Asked) -> Question:
    """A host tells of sessions that began or are over."""
    return hand_on(asked.body(ReportSessions), SessionsReply)


@calls.post("/host/report")
def report(asked: Asked) -> Question:
    """A host says how it is."""
    return done(asked.body(HostReport), Done)
