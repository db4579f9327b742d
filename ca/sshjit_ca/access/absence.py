"""Removes hosts of fleets that are gone: by ``forget_after`` of the invitation that they joined by.

A host is heard of when it renews its certificates or reports. Nothing is removed in the first day after the CA began to
write, so that hosts can be heard of again after a long stop, or after an older log was restored.
"""

from __future__ import annotations

from sshjit import durations
from sshjit_ca.access import hosts
from sshjit_ca.context import Context

MOST = 50
"""Hosts that one tick removes."""
GRACE = 24 * 3600
"""Seconds after the CA's start in which none is removed."""


def remove_absent(context: Context) -> None:
    """Removes hosts that were not heard of for too long. The clock must be believed."""
    if not context.state.fleets or context.now - context.started < GRACE:
        return
    absent = []
    for host in context.state.hosts.values():
        fleet = None if host.invitation is None else context.state.fleets.get(host.invitation)
        if fleet is not None and context.now - host.seen >= fleet.forget_after:
            absent.append((host, fleet.forget_after))
    for host, forget_after in absent[:MOST]:
        hosts.remove(context, host, None, f"nothing was heard of it for {durations.show(forget_after)}", "absent")
