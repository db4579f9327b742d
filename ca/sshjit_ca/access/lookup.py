"""The hosts and the people that somebody names, looked up; and whether it is a person who asks.

``sshjit.access_request`` reads the other parts of an ask.
"""

from __future__ import annotations

import string
from collections.abc import Container, Iterable, Iterator

from sshjit import names, short_ids
from sshjit.ca_protocol.explain import Explain
from sshjit.ca_protocol.requests import Ask
from sshjit.errors import Invalid, Refused
from sshjit_ca.context import Context
from sshjit_ca.state import Host, Login, State

MOST_HOSTS = 256
"""Hosts that a certificate can name."""


def target_hosts(context: Context, message: Ask | Explain) -> tuple[Host, ...]:
    """The enrolled hosts by name or alias in the order of the ask, then those with all the labels; each once.

    Raises:
        Invalid: ``no_host``, ``unknown_host``, ``no_such_hosts``, ``too_many_hosts``.

    """
    if not message.hosts and not message.labels:
        raise Invalid("no_host", "name at least one host")
    if len(message.hosts) > MOST_HOSTS:
        raise Invalid("too_many_hosts", f"a certificate names at most {MOST_HOSTS} hosts, not {len(message.hosts)}")
    hosts = {host.name: host for host in (target_host(context, name) for name in message.hosts)}
    if message.labels:
        labelled = _labelled(context, message.labels)
        if not labelled:
            what = " and ".join(f"{names.show(key)}={names.show(value)}" for key, value in message.labels)
            raise Invalid("no_such_hosts", f"no host has {what}", hint="ssh-jit hosts lists the labels too")
        hosts.update((host.name, host) for host in labelled)
    if len(hosts) > MOST_HOSTS:
        raise Invalid("too_many_hosts", f"a certificate names at most {MOST_HOSTS} hosts, not {len(hosts)}")
    return tuple(hosts.values())


def target_host(context: Context, name: str) -> Host:
    """An enrolled host by name or alias. Raises ``Invalid``: ``unknown_host``, with what was perhaps meant."""
    known = context.state.host_names.get(name)
    if known is not None:
        return context.state.hosts[known]
    near = _near(name, context.state.host_names)
    hint = f"did you mean {near}?" if near else "ssh-jit hosts lists what there is"
    raise Invalid("unknown_host", f"there is no host {names.show(name)}", hint=hint)


def id_meant(context: Context, text: str, known: Iterable[str], kind: str, code: str) -> str:
    """The id that the operator means: the only one that is the text, or begins so. Others name ids whole.

    What is not known comes back as it is: to refuse it is the caller's.

    Raises:
        Invalid: ``which_…``, when several begin so; ``code`` is what stands for the dots.

    """
    if context.socket != "admin":
        return text
    ids = short_ids.meant(text, known, kind)
    if len(ids) > 1:
        several = ", ".join(sorted(ids)[:MOST_NAMED]) + (", …" if len(ids) > MOST_NAMED else "")
        raise Invalid(f"which_{code}", f"{len(ids)} ids begin with {names.show(text)}", hint=several)
    return ids[0] if ids else text


MOST_NAMED = 4
"""Ids that the refusal of an ambiguous one names."""


def _near(name: str, known: Container[str]) -> str | None:
    """The known name that is a slip away. Slips are tried, not names: of those there may be ten thousand."""
    return (
        next((each for each in _slips(names.lowered(name)) if each in known), None)
        if len(name) <= LONGEST_SLIP
        else None
    )


def _slips(name: str) -> Iterator[str]:
    """What was perhaps meant: with two letters exchanged, one left out, one too many, or another one."""
    yield name
    ends = [(name[:at], name[at:]) for at in range(len(name) + 1)]
    yield from (head + tail[1] + tail[0] + tail[2:] for head, tail in ends if len(tail) > 1)
    yield from (head + tail[1:] for head, tail in ends if tail)
    yield from (head + letter + tail for letter in _LETTERS for head, tail in ends)
    yield from (head + letter + tail[1:] for letter in _LETTERS for head, tail in ends if tail)


LONGEST_SLIP = 64
"""Letters of the longest name for which slips are tried."""
_LETTERS = string.digits + string.ascii_lowercase + "-."


def _labelled(context: Context, labels: Iterable[tuple[str, str]]) -> list[Host]:
    wanted = set(labels)
    return [each for _, each in sorted(context.state.hosts.items()) if wanted <= set(each.labels)]


def subject_named(state: State, text: str) -> str:
    """The subject with this id, or the one of ``provider/address`` (or ``provider/subject claim``).

    Raises:
        Invalid: ``unknown_person``, or ``which_person`` when an address belongs to several accounts.

    """
    if text in state.newest_login:
        return text
    if begun := short_ids.meant(text, state.newest_login, "sub-") if text.startswith("sub-") else []:
        if len(begun) > 1:
            raise Invalid("which_person", f"several ids begin so: {', '.join(begun)}", hint="give more of one")
        return begun[0]
    if text in state.subjects:
        return state.subjects[text]
    provider, _, address = text.partition("/")
    wanted = names.lowered(address)
    subjects = [
        subject
        for claim, subject in state.subjects.items()
        if claim.startswith(f"{provider}/") and wanted in state.emails.get(subject, frozenset())
    ]
    if not subjects:
        raise Invalid(
            "unknown_person",
            f"no person known here matches {names.show(text)}",
            hint="give a sub-… id or provider/address",
        )
    if len(subjects) > 1:
        raise Invalid(
            "which_person",
            f"several accounts use this address: {', '.join(subjects)}",
            hint="give one of these sub-… ids",
        )
    return subjects[0]


def subject_meant(state: State, text: str) -> str:
    """As ``subject_named``, and by a name or an address alone: for questions, where a mistake does no harm.

    Raises:
        Invalid: ``unknown_person``, ``which_person``.

    """
    wanted, name = names.lowered(text), text.casefold()
    subjects = {
        subject for subject, addresses in state.emails.items() if wanted in addresses
    } & state.newest_login.keys()
    for subject, login in state.newest_login.items():
        if state.logins[login].opened.name.casefold() == name:
            subjects.add(subject)
    if len(subjects) > 1:
        several = ", ".join(sorted(subjects))
        raise Invalid("which_person", f"several people have this name: {several}", hint="give one of these sub-… ids")
    return subjects.pop() if subjects else subject_named(state, text)


def person_login(context: Context, login_id: str) -> Login:
    """The login with this id; a workload's is refused, since what is asked for here is somebody's decision.

    Raises:
        Refused: ``workload_refused``, and as ``Context.login``.

    """
    login = context.login(login_id)
    if login.opened.workload:
        text = "a workload may ask for access, and decides nothing"
        raise Refused("workload_refused", text, hint="a person has to do this")
    return login
