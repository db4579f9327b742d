"""Finding a live certificate by a file name.

Every certificate has a file ``open/<name>.conf`` in its sign-in's folder: the ssh configuration to run with. Its first
line says until when the certificate lives. ``<name>`` is made from the command line. So the common case of a connection
is one ``open`` and then ssh: it asks no server and imports nothing that the interpreter has not loaded.
``connecting/certificate.py`` writes the file.
"""

# ruff: noqa: PTH100, PTH116, PTH118, PTH120, PTH123, PTH208  # importing pathlib costs more than everything here
from __future__ import annotations

import os
import time

from sshjit_client.ssh import person_file
from sshjit_client.ssh.connection_args import ConnectionArgs

TYPE_CHECKING = False  # importing typing costs milliseconds on every connection
if TYPE_CHECKING:
    from collections.abc import Iterable

SPARE = 5
"""Seconds that a certificate must still live, so that there is time to connect."""
HEAD = "# ssh-jit until "
IN = " in "
"""What stands between the end and the agent's socket, in the first line of a certificate that an agent has."""
LONGEST_LINE = 400
"""Bytes of the first line: a socket's path has about a hundred at most."""
TYPED = "# ssh-jit typed "
"""The beginning of the second line: the duration and the reason that the certificate was asked for with, as typed."""
COMMENT = "# "
"""How the lines of such a file begin that are ours; the first one that does not is the configuration's."""
THROUGH = "# through "
"""The beginning of each line of such a file that names the configuration of a host on the way."""
LONGEST_PATH = 8192
"""Bytes of such a line."""
ALLOWED = "# forwards "
"""The beginning of the line of such a file that says what may be forwarded, and by which rule."""
BREAK_GLASS = "break-glass="
"""The beginning of a name for break-glass. No other name has ``=`` there."""
STRICT = (
    *("-o", "StrictHostKeyChecking=yes"),
    *("-o", "VerifyHostKeyDNS=no"),
    *("-o", "UpdateHostKeys=no"),
    *("-o", "AddKeysToAgent=no"),
)
"""What every connection of ours says to ssh before anything else, and no configuration can take back.

The address comes from a front end that may lie, so no unknown host key is accepted, and none because of what DNS says
of that address. Nor does ssh write a host's plain keys into the person's own known_hosts, where they would count for
longer than the bundle says. The sign-in's key stays in its file: an agent would keep it after the sign-in.
"""
_KIND, _FILE = 0o170000, 0o100000
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789._-")
_LONGEST = 200
_REMARK = 500
"""Characters of what the server says in a line: a reason has no more, and readers take a line in whole."""


def name_of(*fields: str) -> str:
    """A file name like ``web1+shell``; two different command lines never share one.

    ``fields``: host, action, account, exact command, configuration, and the ways that were typed (``args.ways``).
    It has only lower-case ASCII letters, digits and ``. _ - % + =``; ``+`` separates the fields, and ``=`` precedes
    the hash at the end of a long name.
    """
    name = "+".join(map(_escape, fields)).rstrip("+") or "+"
    if len(name) <= _LONGEST:
        return name
    from hashlib import sha256  # noqa: PLC0415  # only long names need it

    return f"{name[:100]}={sha256(name.encode()).hexdigest()}"


def _escape(field: str) -> str:
    return "".join(chr(byte) if byte in _PLAIN else f"%{byte:02x}" for byte in os.fsencode(field))


def name_for(args: ConnectionArgs) -> str:
    """The name for a command line. ``-F`` is part of it, because the configuration includes that file.

    So is whatever leads to the host by another way, or changes what is written.
    Access by break-glass has a name of its own, so that no ordinary connection uses it unmarked.
    """
    config = args.config if args.config in ("", "none") else os.path.abspath(args.config)
    name = name_of(args.host, args.action, args.login, args.exact_command, config, "\n".join(args.ways))
    return f"{BREAK_GLASS}{name}" if args.break_glass else name


def settle_config(args: ConnectionArgs) -> bool:
    """Makes ``-F /dev/null`` the ``none`` that it means; whether the file can be read again, which a pipe cannot."""
    if args.config in ("", "none"):
        return True
    try:
        if os.path.realpath(args.config) == os.devnull:
            args.config = "none"
            return True
        return os.stat(args.config).st_mode & _KIND == _FILE
    except OSError:
        return True


def live_config(args: ConnectionArgs, folders: Iterable[str], *, as_typed: bool = True) -> str:
    """The path of the ssh configuration for this command line if its certificate is live, else an empty string.

    ``folders``: those of the sign-in (``paths.login_folders``). ``as_typed``: another reason or duration than it was
    asked for with is not passed over here in silence: then there is no path, and the server is asked what is open. Nor
    is a configuration of the person's that has changed since: ours was made by what it said, the host's alias too.
    Where a host on the way has no live certificate, this one leads nowhere.
    """
    name = f"{name_for(args)}.conf"
    typed = as_typed and (args.reason or args.duration or args.start)
    for folder in folders:
        path = os.path.join(folder, "open", name)
        try:
            with open(path, "rb") as file:
                if until(file.readline(LONGEST_LINE)) > time.time() + SPARE:
                    second, when = file.readline(LONGEST_PATH), os.fstat(file.fileno()).st_mtime_ns
                    if typed and _differs(args, second):
                        return ""
                    if not all(map(lives, _through(file))):
                        return ""
                    if as_typed and person_file.changed_since(args.config, when):
                        return ""
                    person_file.refresh(os.path.dirname(path))
                    return path
        except OSError:
            continue
    return ""


def typed_line(args: ConnectionArgs, reason: str) -> str:
    """The second line of such a file; ``reason`` is the request's, by the server's word."""
    from sshjit_client.storage import one_line  # noqa: PLC0415  # only once a certificate is new

    return f"{TYPED}{one_line.clean(args.duration, _REMARK) or '-'} {one_line.clean(reason, _REMARK)}"


def _differs(args: ConnectionArgs, second: bytes) -> bool:
    """Whether something was typed that the second line does not say."""
    duration, _, reason = second.decode("utf-8", "replace").removeprefix(TYPED).rstrip("\n").partition(" ")
    typed = " ".join(args.reason.split())
    return bool(args.start) or (args.duration or duration) != duration or (typed or reason) != " ".join(reason.split())


def any_live(folder: str) -> bool:
    """Whether a certificate is kept in a sign-in's folder that lives."""
    try:
        names = os.listdir(os.path.join(folder, "open"))
    except OSError:
        return False
    return any(end_of(os.path.join(folder, "open", name)) > time.time() for name in names if name.endswith(".conf"))


def end_of(path: str) -> int:
    """``until`` of the configuration at this path."""
    try:
        with open(path, "rb") as file:
            return until(file.readline(LONGEST_LINE))
    except OSError:
        return 0


def lives(path: str) -> bool:
    """Whether the certificate of the configuration at this path lives for as long as it takes to connect."""
    return end_of(path) > time.time() + SPARE


def through(path: str) -> list[str]:
    """The configurations of the hosts on the way that the configuration at this path leads by."""
    try:
        with open(path, "rb") as file:
            return _through(file)
    except OSError:
        return []


def _through(file: Iterable[bytes]) -> list[str]:
    """The hosts on the way, from the lines of a file."""
    paths = []
    for line in file:
        if not line.startswith(COMMENT.encode()):
            break
        if line.startswith(THROUGH.encode()):
            paths.append(os.fsdecode(line[len(THROUGH) : -1]))
    return paths


def until(first_line: bytes) -> int:
    """The end in the first line of such a file: seconds since the epoch by this machine's clock; 0 if there is none."""
    text = first_line.decode("ascii", "replace")
    digits = text.removeprefix(HEAD).partition(IN)[0].strip()
    return int(digits) if text.startswith(HEAD) and digits.isdecimal() else 0


def agent(first_line: bytes) -> str:
    """The socket of the agent that has the certificate; empty: ssh reads it from its file."""
    return os.fsdecode(first_line.partition(os.fsencode(IN))[2].rstrip(b"\n"))


def in_agent(path: str) -> str:
    """``agent`` of the configuration at this path."""
    try:
        with open(path, "rb") as file:
            return agent(file.readline(LONGEST_LINE))
    except OSError:
        return ""


def held_by_agents(path: str) -> list[str]:
    """Of the configuration at this path and those on the way: the ones whose certificates an agent has."""
    return [config for config in (path, *through(path)) if in_agent(config)]


def allowed_line(allows: frozenset[str], rule: str) -> str:
    """The line that says what may be forwarded. A rule's name comes from the server, and must not end the line."""
    return f"{ALLOWED}{','.join(sorted(allows)) or 'nothing'} by {''.join(filter(str.isprintable, rule))[:_REMARK]}"


def allowed(head: list[str]) -> tuple[frozenset[str], str]:
    """What ``allowed_line`` says, from the first lines of a file: what may be forwarded, and the rule."""
    line = next((line for line in head if line.startswith(ALLOWED)), ALLOWED)
    kinds, _, rule = line.removeprefix(ALLOWED).strip().partition(" by ")
    return frozenset(kinds.split(",")), rule
