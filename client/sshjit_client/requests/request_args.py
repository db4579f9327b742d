"""The words of ``request`` and ``explain``.

They read like those of a connection, so that one can repeat a command line with ``request`` in front. But every word
is a host, because a request may be for several: ``web1 web2``, or ``web1,web2``. Only ``--action command`` takes a
command: the words after the first host, or after ``--`` if there are several hosts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sshjit import durations, names, wire
from sshjit.api.ask import AskBody
from sshjit.api.explain import ExplainBody
from sshjit.errors import Invalid
from sshjit_client.console import times
from sshjit_client.ssh import connection_args
from sshjit_client.ssh.connection_args import ConnectionArgs, Usage

VALUES = {**connection_args.OURS, "--label": "label", "--start": "start"}
"""Options that take a value, with what they set."""


@dataclass(frozen=True, slots=True)
class RequestArgs:
    """The words, read and checked. ``more``: the options that only this command has; a flag has an empty value."""

    hosts: tuple[str, ...]
    labels: tuple[tuple[str, str], ...]
    login: str | None
    action: str
    command: str | None
    duration: int | None
    reason: str
    start: int | None
    more: Mapping[str, str]
    ssh: ConnectionArgs
    """ssh's options, for asking what the person's own configuration says."""

    def for_account(self, login: str | None) -> RequestArgs:
        """The same request for another account."""
        return replace(self, login=login)

    def body(self) -> AskBody:
        """The request, without a certificate."""
        return wire.fill(AskBody, self, certificate=False)

    def explain_body(self, person: str | None, *, break_glass: bool) -> ExplainBody:
        """The request to explain: for ``person``, or ``None`` for oneself."""
        return wire.fill(ExplainBody, self, person=person, break_glass=break_glass)


def read(words: list[str], now: int, *, flags: frozenset[str], values: frozenset[str] = frozenset()) -> RequestArgs:
    """Reads the words. ``flags`` and ``values``: the options that only this command has, without and with a value.

    Raises:
        Invalid: ``usage``, and the errors of ``sshjit.names``, ``durations`` and ``times``.

    """
    try:
        return _checked(_parse(words, flags, values), now)
    except Usage as error:
        raise Invalid("usage", str(error)) from None


@dataclass(slots=True)
class _Parsed:
    """The words by their meaning, not checked yet."""

    ssh: ConnectionArgs
    hosts: list[str]
    labels: list[str]
    command: list[str]
    start: str
    more: dict[str, str]


def _parse(words: list[str], flags: frozenset[str], values: frozenset[str]) -> _Parsed:
    parsed, at = _Parsed(ConnectionArgs(), [], [], [], "", {}), 0
    while at < len(words):
        word = words[at]
        at += 1
        if word == "--" and parsed.hosts:
            parsed.command = words[at:]
            break
        if word.startswith("--") and word != "--":
            at = _option(parsed, word, words, at, flags=flags, values=values)
        elif word.startswith("-") and word not in ("-", "--"):
            at = connection_args.short(parsed.ssh, word, words, at)
        elif parsed.hosts and parsed.ssh.action == "command" and "--" not in words[at:]:
            parsed.command = words[at - 1 :]
            break
        elif word != "--":
            parsed.hosts += [part for part in word.split(",") if part]
    return parsed


def _option(
    parsed: _Parsed, word: str, words: list[str], at: int, *, flags: frozenset[str], values: frozenset[str]
) -> int:
    name, equals, _ = word.partition("=")
    if name in flags and not equals:
        parsed.more[name] = ""
        return at
    if name not in VALUES and name not in values:
        raise Usage(f"{name} is not an option of this command")
    value, at = connection_args.value_of(word, words, at)
    if name in values:
        parsed.more[name] = value
    elif name == "--label":
        parsed.labels.append(value)
    elif name == "--start":
        parsed.start = value
    else:
        setattr(parsed.ssh, connection_args.OURS[name], value)
    return at


def _checked(parsed: _Parsed, now: int) -> RequestArgs:
    ssh, logins = parsed.ssh, [parsed.ssh.login] if parsed.ssh.login else []
    hosts = []
    for word in parsed.hosts:
        one = ConnectionArgs()
        connection_args.destination(one, word)
        hosts.append(names.host_alias(names.lowered(one.host)))
        logins += [one.login] if one.login and not ssh.login else []
    if len(set(logins)) > 1:
        raise Usage(f"a request is for one account, not for {' and '.join(dict.fromkeys(logins))}")
    if not hosts and not parsed.labels:
        raise Usage("no host given")
    if (ssh.action == "command") is not bool(parsed.command):
        raise Usage("only --action command takes a command" if parsed.command else "--action command needs a command")
    return RequestArgs(
        tuple(dict.fromkeys(hosts)),
        tuple(dict.fromkeys(map(_label, parsed.labels))),
        names.login_name(logins[0]) if logins else None,
        ssh.action,
        names.command(" ".join(parsed.command)) if parsed.command else None,
        durations.parse(ssh.duration) if ssh.duration else None,
        names.free_text(ssh.reason, "the reason"),
        times.ahead(parsed.start, now) if parsed.start else None,
        parsed.more,
        ssh,
    )


def _label(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise Usage(f"write a label like env=staging, not {text}")
    return names.label(key, value)
