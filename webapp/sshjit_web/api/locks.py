"""Taking access away, and giving the way to it back: locks and revocations. Who may, the authority decides."""

from __future__ import annotations

from flask import Response

from sshjit.api.bodies import LockBody, RevokeBody, UnlockBody
from sshjit.api.locks import LockReply, LocksReply, RevokeReply
from sshjit.api.signed import Unlock
from sshjit.ca_protocol.locks import Lock, ReadLocks, Revoke
from sshjit.ca_protocol.outcomes import Done
from sshjit_web.api.json_io import blueprint, body, carried, login_id
from sshjit_web.services import services


@blueprint.get("/locks")
def locks() -> Response:
    """The locks in force."""
    return carried(ReadLocks(login_id()), LocksReply)


@blueprint.post("/locks")
def lock() -> Response:
    """Locks something, and revokes what is alive under it."""
    said = body(LockBody)
    return carried(Lock(login_id(), said.kind, said.target, said.reason), LockReply, status=201)


@blueprint.post("/locks/<lock_id>/unlock")
def unlock(lock_id: str) -> Response:
    """Takes a lock away. It needs a signature."""
    said = body(UnlockBody)
    services().ca.call(Unlock(login_id(), lock_id, said.reason, said.consent), Done)
    return Response(status=204)


@blueprint.post("/revoke")
def revoke() -> Response:
    """Ends a grant, a certificate or a sign-in before its time."""
    said = body(RevokeBody)
    return carried(Revoke(login_id(), said.request, said.serial, said.sign_in, said.reason), RevokeReply)
