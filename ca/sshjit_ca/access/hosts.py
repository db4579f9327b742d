"""What becomes of a host's registration, whoever asks for it: an operator, an admin, the host itself, or time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from sshjit import durations, names, policy, requests
from sshjit.api.views import RequestState
from sshjit.errors import Invalid, Refused
from sshjit.events import HostRemoved
from sshjit.sshkey import PublicKey
from sshjit_ca.access.host_statements import MAX_HOST_KEYS
from sshjit_ca.access.revocation import close_grant
from sshjit_ca.context import Context
from sshjit_ca.state import Host, locks, request_index
from sshjit_ca.state.hosts import certified_until, key_owner

MAX_ALIASES = 16
PLAIN_BYTES = 4 * 1024 * 1024
"""Keys and names of all hosts without certificates: every bundle carries them, and is read to 8 MiB at most."""
Cause = Literal["removed", "left", "absent"]
_HOW = {"left": "left", "absent": "was not heard of for too long"}


def find(context: Context, name: str) -> Host:
    """The host of this name.

    Raises:
        Invalid: ``unknown_host``.

    """
    host = context.state.hosts.get(names.lowered(name))
    if host is None:
        raise Invalid("unknown_host", f"there is no host {names.show(name)}", hint="ssh-jit-ca host list")
    return host


def next_id(context: Context, name: str) -> str:
    """The id of the next machine of this name."""
    machines = context.state.machines.get(name, 0)
    return names.host_id(name if not machines else f"{name}~{machines + 1}")


def check_names(context: Context, name: str, aliases: tuple[str, ...]) -> None:
    """Name and aliases are well-formed, and no other host has one of them.

    Raises:
        Invalid: ``bad_host``, ``name_taken``, ``too_many``.

    """
    own = (names.host_name(name), *(names.host_alias(alias) for alias in aliases))
    certified = certified_until(context.state)
    for one in own:
        owner = context.state.host_names.get(one)
        if owner is not None:
            raise Invalid("name_taken", f"{one} is already in use by the host {owner}")
        former = former_owner(context, one, "", certified)
        if former is not None:
            left = durations.show(former[1] - context.now)
            raise Invalid("name_taken", f"{one} was a name of {former[0]}, whose certificates say so for {left} more")
    if len(set(own)) != len(own):
        raise Invalid("name_taken", "a name is listed twice")
    if len(aliases) > MAX_ALIASES:
        raise Invalid("too_many", f"a host has at most {MAX_ALIASES} aliases")


def former_owner(context: Context, name: str, host_id: str, certified: Mapping[str, int]) -> tuple[str, int] | None:
    """Another enrolled host, by its id, whose certificates say this name, and until when they may; else ``None``.

    It has the name, or gave it up lately. Whoever got it too early could be taken for the other one. ``certified``: by
    host id, when the last certificate is over (``state.hosts.certified_until``).
    """
    state = context.state
    former = state.former_names.get(name)
    if former is not None and former[0] != host_id and context.now < former[1]:
        return former
    holder = state.hosts.get(state.host_names.get(name, ""))
    if holder is None or holder.id == host_id:
        return None
    until = certified.get(holder.id, 0)
    return (holder.id, until) if until > context.now else None


def check_keys(context: Context, keys: tuple[PublicKey, ...], owners: Mapping[str, str] | None = None) -> None:
    """The keys are no other host's, and none is locked. ``owners``: names by lines, where many keys are looked at.

    Raises:
        Invalid: ``too_many``.
        Refused: ``key_taken``, ``locked``.

    """
    if len(keys) > MAX_HOST_KEYS:
        raise Invalid("too_many", f"a host has at most {MAX_HOST_KEYS} keys")
    for key in keys:
        owner = key_owner(context.state, key) if owners is None else owners.get(key.line)
        if owner is not None:
            hint = "if it is the same machine, remove the other name first; else make new keys: ssh-keygen -A"
            raise Refused("key_taken", f"the key {key.fingerprint} belongs to the host {owner}", hint=hint)
        locks.refuse_key(context.state, key.fingerprint)


def check_plain(context: Context, name: str, aliases: tuple[str, ...], keys: tuple[PublicKey, ...]) -> None:
    """The bundle has room for one more host that shows no host certificates.

    Raises:
        Invalid: ``too_many_hosts``.

    """
    hosts = (host for host in context.state.hosts.values() if not host.host_certificates)
    held = sum(len(word) for host in hosts for word in (host.name, *host.aliases, *host.host_keys))
    if held + sum(map(len, (name, *aliases, *(key.line for key in keys)))) > PLAIN_BYTES:
        text = "there are too many hosts without host certificates: each bundle has to carry their keys"
        raise Invalid("too_many_hosts", text, hint="join without --no-host-certificates, or with fewer keys")


def check_labels(context: Context, pairs: tuple[tuple[str, str], ...], *, by_token: bool = False) -> None:
    """The policy of now knows these labels; with ``by_token`` it lets an invitation give them.

    Raises:
        Invalid: ``bad_label``, ``bad_labels``, ``label_not_by_token``.

    """
    for key, value in pairs:
        names.label(key, value)
    labels = dict(pairs)
    if len(labels) != len(pairs):
        raise Invalid("bad_labels", "a label is listed twice")
    problems = policy.check_labels(context.policy, labels)
    if problems:
        missing = policy.missing_labels(context.policy, labels)
        hint = "the policy's [labels] lists those that exist"
        raise Invalid("bad_labels", "; ".join(problems), hint=f"give it: {_flags(missing)}" if missing else hint)
    fixed = [f'"{key}"' for key in labels if by_token and not context.policy.labels[key].by_token]
    if fixed:
        text = f"the policy lets no invitation give the label {', '.join(fixed)}"
        raise Invalid("label_not_by_token", text, hint="add such a host by its name, or set by_token in [labels]")


def _flags(missing: Mapping[str, tuple[str, ...]]) -> str:
    """``--label env=prod (or staging)``."""
    return " ".join(
        f"--label {label}={values[0] if values else 'VALUE'}" + (f" (or {', '.join(values[1:])})" if values[1:] else "")
        for label, values in missing.items()
    )


def check_logins(logins: tuple[str, ...]) -> tuple[str, ...]:
    """The Unix accounts that people reach on a host.

    Raises:
        Invalid: ``bad_login``.

    """
    for login in logins:
        names.login_name(login)
    if len(set(logins)) != len(logins):
        raise Invalid("bad_login", "an account is listed twice")
    return logins


def pairs_of(labels: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Labels as they are kept."""
    return tuple(sorted(labels))


def remove(context: Context, host: Host, by: str | None, reason: str, cause: Cause) -> None:
    """Forgets a host and revokes what is open for it; a later machine of its name is another one."""
    for request in request_index.opened(context.state):
        if host.id in context.on_the_way(request) and requests.state_at(request, context.now) is RequestState.APPROVED:
            why = f"was removed: {reason}" if cause == "removed" else _HOW[cause]
            close_grant(context, request, by, f"{host.name} {why}"[: names.MAX_REASON])
    context.record(HostRemoved(by, host.id, host.name, reason, cause))


def registered(context: Context, name: str, keys: tuple[PublicKey, ...]) -> Host:
    """The host, if all of these keys are its own; whoever asks learns nothing else.

    Raises:
        Refused: ``unknown_host_key``.

    """
    host = context.state.hosts.get(name)
    if host is None or not {key.line for key in keys} <= set(host.host_keys):
        raise Refused("unknown_host_key", "no host of this name is enrolled with this key", hint="ssh-jit-host join")
    return host
