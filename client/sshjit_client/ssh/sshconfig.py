"""The ssh configuration that a connection runs with.

In ssh_config the first value wins. The person's own configuration comes first, so that it decides. Then comes our block
for the one host that was typed, then the system's configuration. Their known_hosts files stay theirs alone: our CA's
line is in a file of its own beside the system-wide ones. How strictly a host key is checked is the one thing in which
they do not decide: that is on ssh's command line (``certificate_index.STRICT``), and the person is told.
ssh takes one ``RevokedHostKeys``: if the person or the system has set it, it stays, and the person is told that ssh
does not use the installation's list.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from sshjit.errors import Failed, Invalid
from sshjit_client.ssh import openssh
from sshjit_client.ssh.connection_args import ConnectionArgs
from sshjit_client.storage import files

_LAX = ("accept-new", "no", "off", "false")
_NOBODY = "_ssh-jit-nobody_"
_GLOBAL_FILES = "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2"
_GLOB = re.compile(r"([*?[])")
_ODD = re.compile(r'["\\\x00-\x1f\x7f]|\$\{')


@dataclass(frozen=True, slots=True)
class Own:
    """What the person's own configuration says about a command line."""

    login: str | None
    """The account, if it names one."""
    known_hosts: str
    """The system-wide known_hosts files in effect."""
    revoked: str | None
    """The value of ``RevokedHostKeys`` (it may be ``none``); ``None`` if nobody set it."""
    lax: str = ""
    """What would accept an unknown host key, as ``Keyword value``; empty if nothing would."""


@dataclass(frozen=True, slots=True)
class Files:
    """What a connection needs besides its certificate: key, list of revoked host keys, state folder."""

    key: Path
    revoked: Path
    state: Path


@dataclass(frozen=True, slots=True)
class Target:
    """Our block. ``sshjit.names`` has checked names, address and port."""

    typed: str
    host: str
    address: str
    port: int
    login: str
    key: Path
    certificate: Path
    known_hosts: Path
    revoked: Path
    proxy: str = ""
    """The value of ``ProxyCommand``; empty: ssh connects directly."""


def ask(args: ConnectionArgs, state: Path) -> openssh.RunningQuery:
    """Asks ssh what the person's own configuration says; ``answer`` waits for it."""
    probe = state / "own.conf"
    last = [f"User {_NOBODY}", f"RevokedHostKeys {_NOBODY}"]
    files.write(probe, "\n".join([*_before(args), "Match all", *_after(args), *last, ""]), durable=False)
    return openssh.RunningQuery(args.options, probe)


def own(args: ConnectionArgs, state: Path) -> Own:
    """What the person's own configuration says."""
    return answer(ask(args, state))


def answer(query: openssh.RunningQuery) -> Own:
    """The answer of ssh."""
    values = query.answer()
    login = values.get("user", _NOBODY)
    known = values.get("globalknownhostsfile", "")
    revoked = values.get("revokedhostkeys", "none")  # ssh -G does not print "none"
    strictness, by_name = values.get("stricthostkeychecking", "ask"), values.get("verifyhostkeydns", "no")
    lax = f"StrictHostKeyChecking {strictness}" if strictness in _LAX else ""
    return Own(
        lax=lax or ("VerifyHostKeyDNS yes" if by_name in ("yes", "true") else ""),
        login=None if login == _NOBODY else login,
        known_hosts=_GLOBAL_FILES if _ODD.search(known) or not known else known,
        revoked=None if revoked == _NOBODY else revoked,
    )


def text(args: ConnectionArgs, target: Target, own: Own, head: str) -> str:
    """The whole file; ``head`` is its first line."""
    block = [
        f"Host {target.typed}",
        f"HostName {target.address}",
        f"Port {target.port}",
        f"User {target.login}",
        f"HostKeyAlias {target.host}",
        "StrictHostKeyChecking yes",
        f"GlobalKnownHostsFile {own.known_hosts} {quoted(target.known_hosts)}",
        *([] if own.revoked else [f"RevokedHostKeys {_literal(target.revoked)}"]),
        f"IdentityFile {quoted(target.key).replace('%', '%%')}",
        f"CertificateFile {quoted(target.certificate).replace('%', '%%')}",
        "IdentitiesOnly yes",
        *([f"ProxyCommand {target.proxy}"] if target.proxy else []),
        *([] if args.action == "shell" else ["RequestTTY no"]),  # only certificates for shells permit one
    ]
    ours = [block[0], *(f"    {line}" for line in block[1:])]
    return "\n".join([head, *_before(args), "", *ours, "", "Match all", *_after(args), ""])


def quoted(path: Path) -> str:
    """A path as one word of ssh_config.

    Raises:
        Failed: ``odd_path`` when ssh_config has no way to write it.

    """
    if _ODD.search(str(path)):
        raise Failed("odd_path", f"ssh_config can't name the path {path}")
    return f'"{path}"'


def _literal(path: Path) -> str:
    """A path for an option in which some versions of ssh replace ``%h`` and the like."""
    if "%" in str(path):
        raise Failed("odd_path", f"ssh_config can't name the path {path}", hint="set XDG_CONFIG_HOME to another folder")
    return quoted(path)


def _before(args: ConnectionArgs) -> list[str]:
    if args.config == "none":
        return []
    if not args.config:
        return ["Include ~/.ssh/config"]
    path = Path(args.config).absolute()
    if not path.is_file():
        raise Invalid("no_config", f"there is no file {args.config}")
    literal = _GLOB.sub(r"[\1]", str(path))  # Include takes patterns
    return [f"Include {quoted(Path(literal))}"]


def _after(args: ConnectionArgs) -> list[str]:
    """With ``-F`` ssh does not read the system's configuration, and neither do we."""
    return [] if args.config else ["Include /etc/ssh/ssh_config"]
