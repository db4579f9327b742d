"""Hosts: enrolled by the operator, with the labels that policy asks for and a certificate for each host key."""

from __future__ import annotations

from sshjit import names, policy, sshkey
from sshjit.errors import Invalid
from sshjit.events import HostAdded
from sshjit.messages import AddHost, HostReply, HostsReply, ReadHosts
from sshjit_ca import signing
from sshjit_ca.desk import Desk
from sshjit_ca.views import host_view

MAX_ALIASES = 16
MAX_HOST_KEYS = 8


def add_host(desk: Desk, message: AddHost) -> HostReply:
    """Enrols a host and signs its keys.

    Raises:
        Invalid: ``name_taken``, ``bad_labels``, ``bad_host``, ``bad_key``, ``too_many``.

    """
    keys = [sshkey.parse_line(line) for line in message.host_keys]
    _check_names(desk, message)
    _check_labels(desk, message)
    if len(message.aliases) > MAX_ALIASES or len(keys) > MAX_HOST_KEYS:
        raise Invalid("too_many", f"a host has at most {MAX_ALIASES} aliases and {MAX_HOST_KEYS} keys")
    machines = desk.state.machines.get(message.name, 0)
    desk.record(
        HostAdded(
            by=None,
            host_id=names.host_id(message.name if not machines else f"{message.name}~{machines + 1}"),
            name=message.name,
            aliases=message.aliases,
            address=names.address(message.address),
            port=names.port(message.port),
            labels=tuple(sorted(message.labels)),
            host_keys=tuple(key.line for key in keys),
        )
    )
    host = desk.state.hosts[message.name]
    certificates = tuple(signing.sign_host(desk, host, key) for key in keys)
    root = desk.keys.bundle.public
    return HostReply(host_view(host), certificates, root.fingerprint, root.line, None)


def read_hosts(desk: Desk, message: ReadHosts) -> HostsReply:
    """The hosts, by name. Whoever is signed in may see what there is to ask for."""
    if message.login_id is not None:
        desk.login(message.login_id)
    return HostsReply(tuple(host_view(host) for _, host in sorted(desk.state.hosts.items())))


def _check_names(desk: Desk, message: AddHost) -> None:
    own = (message.name, *message.aliases)
    for name in own:
        names.host_name(name)
        if name in desk.state.host_names:
            owner = desk.state.host_names[name]
            raise Invalid("name_taken", f"{name} is already a name of the host {owner}")
    if len(set(own)) != len(own):
        raise Invalid("name_taken", "a name stands twice")


def _check_labels(desk: Desk, message: AddHost) -> None:
    for key, value in message.labels:
        names.label(key, value)
    labels = dict(message.labels)
    if len(labels) != len(message.labels):
        raise Invalid("bad_labels", "a label stands twice")
    problems = policy.check_labels(desk.policy, labels)
    if problems:
        raise Invalid("bad_labels", "; ".join(problems), hint="the policy's [labels] says which there are")
