"""Which host certificates laptops must refuse before they are over: those of machines that are not to be believed.

A host that was removed, also for a new machine in its place, never comes back: another one gets another id. A lock on a
host or on a key is undone by unlocking; while it stands, nobody connects to that machine, and what it shows may be in
somebody else's hands. A lock on everything says nothing of any machine, and leaves the hosts recognisable.
"""

from __future__ import annotations

from sshjit_ca.state import State


def certificates(state: State, now: int) -> tuple[int, ...]:
    """The serials, in order."""
    locked = {(lock.kind, lock.target) for lock in state.locks.values()}
    return tuple(
        serial
        for serial, each in sorted(state.host_certificates.items())
        if each.valid_before > now and (each.gone or ("host", each.host) in locked or ("key", each.key) in locked)
    )
