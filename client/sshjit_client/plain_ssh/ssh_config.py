"""The text that plain ssh reads: for each name first what runs ``ensure``, then a plain ``Host`` block with the data.

Programs that read ssh's configuration understand very different parts of it (``docs/clients.md``). So a line names one
host, the command has no ``=`` and only the token ``%r``, and nothing that is needed stands under ``Match``. ``Match
host`` compares the ``HostName`` that is set so far: therefore it comes before the block.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from pathlib import Path

from sshjit.errors import Failed
from sshjit_client.plain_ssh.hosts import PlainHost
from sshjit_client.plain_ssh.layout import Layout, way_to
from sshjit_client.ssh.sshconfig import quoted
from sshjit_client.storage import one_line

HEAD = "# written by ssh-jit config --write, which replaces it; ssh-jit config --remove removes it\n"
_BARE = re.compile(r"[A-Za-z0-9@+:,./_~-]+")
_IN_EXEC = re.compile(r"[A-Za-z0-9@+:,./_~ -]+")
"""What a path may have in the command of ``Match exec``: asyncssh refuses ``=``, ssh replaces ``%``."""
CERTIFICATES = "*2*-cert*"
"""Every kind of certificate but those that sign by SHA-1, which have no 2; without a comma, which readers choke on."""
_UNSHARED = {"ControlMaster": "no", "ControlPath": "none", "ControlPersist": "no"}
"""A path that the person chose names no certificate: a later grant would ride on the connection of an earlier one."""
_CLOSED = {"PreferredAuthentications": "publickey", "PubkeyAuthentication": "no", **_UNSHARED}
"""Neither a key nor a password of the person's."""


def included(hosts: Iterable[PlainHost], layout: Layout, gone: Iterable[str] = ()) -> str:
    """The whole included file. ``gone``: names to which ssh shows nothing: the server's word alone opens none of them.

    Raises:
        Failed: ``odd_path``, ``odd_line``.

    """
    return (
        HEAD
        + "".join(
            f"\n{_match(host, layout)}{block(host, layout, in_agent=layout.in_agent, alone=_alone(host, layout))}"
            for host in hosts
        )
        + "".join(f"\n{_exec(name, layout)}\n{_written(name, _CLOSED)}" for name in gone)
    )


def inline(hosts: Iterable[PlainHost], layout: Layout) -> str:
    """``Host`` blocks alone, for programs that ignore ``Include`` and ``Match``; most of them want the files."""
    return "\n".join(block(host, layout, in_agent=False) for host in hosts)


def _alone(host: PlainHost, layout: Layout) -> bool:
    """Whether ssh can be told to show certificates alone: it finds them beside their keys, which it reads by itself."""
    return not (layout.asks or host.names_certificates)


def _match(host: PlainHost, layout: Layout) -> str:
    """What keeps the certificate alive. Under it only what another account than the usual one needs."""
    keyword, usual = "CertificateFile", layout.certificate("@")
    if layout.in_agent or _alone(host, layout):
        keyword, usual = "IdentityFile", layout.identity("@") if layout.in_agent else layout.key("@")
    other = _path(usual).replace("/@", f"/%r@{host.name}")
    return _lines(_exec(host.name, layout), f"    {keyword} {other}")


def _exec(name: str, layout: Layout) -> str:
    """The line that runs ``ensure``; where there is no certificate, it says why."""
    words = (layout.interpreter, "-IS", layout.fast, layout.folder, "ensure", name)
    command = " ".join(_word(str(word)) for word in words)
    return f"Match host {name} exec \"{command} '%r'\""


def _word(word: str) -> str:
    """A word of the command: the person's shell reads it."""
    if not _IN_EXEC.fullmatch(word):
        raise Failed("odd_path", f"programs that read ssh_config can't run {word}", hint="move it to a plainer path")
    return shlex.quote(word)


def _identity(name: str, layout: Layout, *, in_agent: bool, alone: bool) -> dict[str, str]:
    """What ssh shows: in agent mode the certificate alone, because with ``CertificateFile`` it looks for a key file.

    ``alone``: no plain key, and so none that the person's configuration names for all hosts. With ``CertificateFile``
    ssh would show nothing then.
    """
    accepted = {"PubkeyAcceptedKeyTypes": CERTIFICATES} if alone else {}
    if in_agent or alone:
        return {"IdentityFile": _path(layout.identity(name) if in_agent else layout.key(name)), **accepted}
    return {"IdentityFile": _path(layout.key(name)), "CertificateFile": _path(layout.certificate(name))}


def block(host: PlainHost, layout: Layout, *, in_agent: bool, alone: bool = False) -> str:
    """The ``Host`` block of a name, and of the bastion before it. What the person's own file sets is left out."""
    lines = {
        "HostName": host.address,
        "Port": str(host.port),
        "User": host.account,
        "HostKeyAlias": host.name,
        "StrictHostKeyChecking": "yes",
        "UpdateHostKeys": "no",
        "GlobalKnownHostsFile": f"{host.known_hosts} {_path(layout.known_hosts(host.name))}",
        "RevokedHostKeys": _path(layout.revoked),
        **_identity(host.name, layout, in_agent=in_agent, alone=alone),
        "IdentitiesOnly": "yes",
        "AddKeysToAgent": "no",
        "PreferredAuthentications": "publickey",
        **_UNSHARED,
        **({"ProxyJump": way_to(host.name)} if host.bastion else {}),
    }
    return _written(host.name, {key: value for key, value in lines.items() if key.lower() not in host.own}) + (
        _way(host, layout, in_agent=in_agent, alone=alone) if host.bastion else ""
    )


def _way(host: PlainHost, layout: Layout, *, in_agent: bool, alone: bool) -> str:
    """The bastion, by the certificate that leads to this host alone; nobody shares this connection."""
    assert host.bastion is not None  # noqa: S101 - the caller asked
    name, bastion = way_to(host.name), host.bastion
    return "\n" + _written(
        name,
        {
            "HostName": bastion.address,
            "Port": str(bastion.port),
            "User": bastion.account,
            "HostKeyAlias": bastion.name,
            "StrictHostKeyChecking": "yes",
            "UpdateHostKeys": "no",
            "GlobalKnownHostsFile": f"{host.known_hosts} {_path(layout.known_hosts(name))}",
            "RevokedHostKeys": _path(layout.revoked),
            **_identity(name, layout, in_agent=in_agent, alone=alone),
            "IdentitiesOnly": "yes",
            "AddKeysToAgent": "no",
            "PreferredAuthentications": "publickey",
            **_UNSHARED,
        },
    )


def _written(name: str, lines: dict[str, str]) -> str:
    return _lines(f"Host {name}", *(f"    {keyword} {value.strip()}" for keyword, value in lines.items()))


def _lines(*lines: str) -> str:
    """The lines as text. Raises ``Failed``: ``odd_line``: a value would begin a line of its own."""
    return "".join(f"{line}\n" for line in one_line.require(*lines))


def _path(path: Path) -> str:
    """A path as one word; bare where it can be, because not every reader knows quotes."""
    if "%" in str(path):
        raise Failed("odd_path", f"ssh_config can't name the path {path}", hint="set XDG_RUNTIME_DIR to another folder")
    return str(path) if _BARE.fullmatch(str(path)) else quoted(path)
