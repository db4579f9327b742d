"""The JSON API of hosts: joining, renewing, reporting. Nobody signs in here, and nothing is decided here.

What a host says is proved by its token and its keys, to the authority; the front end only carries it.
"""

from __future__ import annotations

from flask import Blueprint, Response

from sshjit import wire
from sshjit.api.hosts import HostReply, HostReport, JoinHost, SignHost
from sshjit.ca_protocol.outcomes import Done
from sshjit_web.api.speech import answer, body
from sshjit_web.services import services

blueprint = Blueprint("host_api", __name__, url_prefix="/api/v1/host")


@blueprint.post("/join")
def join() -> Response:
    """A new host shows its token and its keys, and gets their certificates."""
    return answer(wire.encode(services().ca.call(body(JoinHost), HostReply)), 201)


@blueprint.post("/renew")
def renew() -> Response:
    """A host gets new certificates for its keys."""
    return answer(wire.encode(services().ca.call(body(SignHost), HostReply)), 201)


@blueprint.post("/report")
def report() -> Response:
    """A host says how it is."""
    services().ca.call(body(HostReport), Done)
    return Response(status=204)
