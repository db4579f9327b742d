"""How hosts change the state."""

from __future__ import annotations

from sshjit import events
from sshjit_ca.state.model import State
from sshjit_ca.state.records import Host


def host_added(state: State, event: events.HostAdded, _: int) -> None:
    """A host is enrolled, under its name and aliases."""
    state.hosts[event.name] = Host(
        event.host_id, event.name, event.aliases, event.address, event.port, event.labels, event.host_keys
    )
    state.machines[event.name] = state.machines.get(event.name, 0) + 1
    for name in (event.name, *event.aliases):
        state.host_names[name] = event.name
