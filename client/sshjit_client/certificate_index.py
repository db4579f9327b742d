"""Finding a certificate that is alive, by a file name and nothing else.

For every certificate there is a file ``open/<name>.conf``: the ssh configuration to run with, whose first line says
until when. ``<name>`` is made from what was args. So the common case of a connection is one ``open`` and then ssh: no
server is asked, and nothing is imported that the interpreter has not loaded already. How the file is written is
decided in ``certificate.py``.
"""

# ruff: noqa: PTH100, PTH118, PTH123  # importing pathlib costs more than all that is done here
from __future__ import annotations

import os
import time

from sshjit_client.connection_args import ConnectionArgs
from sshjit_client.paths import private

SPARE = 5
"""Seconds that a certificate must still live: the connection has to be made within them."""
HEAD = "# ssh-jit until "
GLASS = "break-glass="
"""How the names begin of what was had by break-glass. No other name has ``=`` there."""
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789._-")
_LONGEST = 200


def name_of(host: str, login: str, action: str, exact: str, config: str) -> str:
    """A file name for this ask, like ``web1+shell``: two different asks never share one, whatever was args.

    Only lower-case ASCII letters, digits, ``. _ - % + =`` occur; ``+`` stands between the fields, ``=`` before the
    hash that ends a long name.
    """
    name = "+".join(map(_escape, (host, action, login, exact, config))).rstrip("+") or "+"
    if len(name) <= _LONGEST:
        return name
    from hashlib import sha256  # noqa: PLC0415  # only long names pay for it

    return f"{name[:100]}={sha256(name.encode()).hexdigest()}"


def _escape(field: str) -> str:
    return "".join(chr(byte) if byte in _PLAIN else f"%{byte:02x}" for byte in os.fsencode(field))


def name_for(args: ConnectionArgs) -> str:
    """The name for a command line; ``-F`` counts, for the configuration that is written includes that file.

    What was had by break-glass has a name of its own, so that no ordinary connection uses it unmarked.
    """
    config = args.config if args.config in ("", "none") else os.path.abspath(args.config)
    name = name_of(args.host, args.login, args.action, args.exact, config)
    return f"{GLASS}{name}" if args.glass else name


def alive(args: ConnectionArgs, state: str) -> str:
    """The path of the ssh configuration of a certificate that is alive for this command line, or an empty string."""
    path = os.path.join(state, "open", f"{name_for(args)}.conf")
    try:
        with open(path, "rb") as file:
            first = file.readline(80)
    except OSError:
        return ""
    return path if until(first) > time.time() + SPARE and private(state) else ""


def until(first_line: bytes) -> int:
    """The time in the first line of such a file, in seconds since the epoch by this machine's clock; 0: none."""
    text = first_line.decode("ascii", "replace")
    digits = text.removeprefix(HEAD).strip()
    return int(digits) if text.startswith(HEAD) and digits.isdecimal() else 0
