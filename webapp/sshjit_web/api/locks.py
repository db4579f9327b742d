"""Taking access away, and giving the way to it back: locks and revocations. Who may, the CA decides."""

from __future__ import annotations

from flask import Response

from sshjit import wire
from sshjit.api.bodies import LockBody, RevokeBody, UnlockBody
from sshjit.api.locks import LockReply, LocksReply, RevokeReply
from sshjit.api.outcomes import Done
from sshjit.api.signed import Unlock
from sshjit.ca_protocol.locks import Lock, ReadLocks, Revoke
from sshjit_web.api.json_io import blueprint, body, carried, login_id, nothing
from sshjit_web.services import services


@blueprint.get("/locks")
def locks() -> Response:
    """The locks in force."""
    return carried(ReadLocks(login_id()), LocksReply)


@blueprint.post("/locks")
def lock() -> Response:
    """Locks something, and revokes what is alive under it."""
    return carried(wire.fill(Lock, body(LockBody), login_id=login_id()), LockReply, status=201)


@blueprint.post("/locks/<lock_id>/unlock")
def unlock(lock_id: str) -> Response:
    """Takes a lock away. It needs a signature."""
    services().ca.call(wire.fill(Unlock, body(UnlockBody), login_id=login_id(), lock=lock_id), Done)
    return nothing()


@blueprint.post("/revoke")
def revoke() -> Response:
    """Ends a grant, a certificate or a sign-in before its time."""
    return carried(wire.fill(Revoke, body(RevokeBody), login_id=login_id()), RevokeReply)
