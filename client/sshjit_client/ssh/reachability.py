"""Whether a host answers, hangs up, or is out of reach: ssh says "Connection closed" or "reset", and not why.

An sshd that was shown too many refused keys hangs up on the whole address for a while (``PerSourcePenalties``, from
OpenSSH 9.8 on), before anybody can show a better one. So this connects once, hears the server's first line and goes:
that costs a second of such a penalty, and 15 s of them must have gathered before anybody is shut out.
"""

from __future__ import annotations

import socket
from pathlib import Path

from sshjit_client.ssh import openssh

PATIENCE = 5
"""Seconds for a connection, and for the server's first line."""
MOST = 4096
"""Bytes in which the server's version must come; lines may stand before it (RFC 4253, section 4.2)."""
_GREETING = b"SSH-"


def explain(host: str, config: Path) -> str:
    """What became of one connection to ``host``, by ssh's configuration; empty where ssh would go through a proxy."""
    settings = openssh.effective([host], config)
    if any(settings.get(name, "none") != "none" for name in ("proxyjump", "proxycommand")):
        return ""
    address, port = settings.get("hostname", host), int(settings.get("port", "22"))
    try:
        answers = _greets(address, port)
    except OSError as error:
        return f"{host} can't be reached at {address} port {port}: {error.strerror or error}"
    where = f"at {address} port {port}"
    if answers:
        return f'{host} answers {where}: after "Permission denied" it is the certificate that it refuses'
    return (
        f'{host} hangs up at once {where} ("Connection closed" or "reset"), before it has seen any certificate:'
        " it takes nothing from this address for a while, as after several refused tries (PerSourcePenalties),"
        " or it is full; wait half a minute, and don't try in between"
    )


def _greets(address: str, port: int) -> bool:
    """Whether the server says who it is. Raises ``OSError`` where there is none."""
    with socket.create_connection((address, port), timeout=PATIENCE) as channel:
        greeting = b""
        while len(greeting) < MOST and not any(line.startswith(_GREETING) for line in greeting.splitlines()):
            try:
                part = channel.recv(MOST)
            except ConnectionError:
                return False
            if not part:
                return False
            greeting += part
    return _GREETING in greeting
