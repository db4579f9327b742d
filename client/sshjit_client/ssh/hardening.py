"""What the person's ssh configuration forbids, without which a connection by our certificates cannot work.

ssh itself says "Permission denied" or "Host key verification failed" then, and not why. ``ssh -G`` has told us before
anything is tried, so the option is named, and where it is written. None of them is overridden.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from sshjit import names, sshcert, sshkey
from sshjit.api.views import RouteView
from sshjit.bundle import Bundle
from sshjit.errors import Refused
from sshjit_client.ssh import known_hosts, own_known_hosts
from sshjit_client.ssh.connection_args import ConnectionArgs

_RSA = ("rsa-sha2-512", "rsa-sha2-256")
_CERTIFICATE = "-cert-v01@openssh.com"
_DEEPEST = 16
"""How deep ssh follows Include."""


def require_key(args: ConnectionArgs, values: Mapping[str, str], public: str) -> None:
    """That ssh may show a certificate for this key, by what ``ssh -G`` printed.

    Raises:
        Refused: ``hardened_options``.

    """
    if values.get("pubkeyauthentication") in ("no", "false"):
        raise _refused(args, "PubkeyAuthentication", "is off: ssh shows no certificate", "PubkeyAuthentication yes")
    methods = values.get("preferredauthentications", "publickey")
    if "publickey" not in methods.split(","):
        raise _refused(
            args, "PreferredAuthentications", "has no publickey", f"PreferredAuthentications publickey,{methods}"
        )
    kind = sshkey.parse_line(public, post_quantum=True).type
    needed = (
        tuple(f"{name}{_CERTIFICATE}" for name in _RSA) if kind == sshkey.RSA else (sshcert.certificate_type(kind),)
    )
    for option in ("PubkeyAcceptedAlgorithms", "PubkeyAcceptedKeyTypes"):
        _require_one(args, values, option, needed, "by which ssh shows your certificate")


def require_host(args: ConnectionArgs, values: Mapping[str, str], bundle: Bundle, host: str, route: RouteView) -> None:
    """That ssh can tell that it is this host.

    Raises:
        Refused: ``hardened_options``.

    """
    alias = values.get("hostkeyalias", "")
    if alias and names.lowered(alias) not in (host, route.host, *route.aliases):
        what = f"calls {host} {names.show(alias)}, which is no name of it"
        raise _refused(args, "HostKeyAlias", what, f"HostKeyAlias {host}")
    if own_known_hosts.has(alias or host, values):
        return  # ssh knows it without us
    shown = known_hosts.plain(bundle, alias or host)
    if shown is not None:
        kinds = [kind for line in shown.keys for kind in _algorithms(line)]
        _require_one(args, values, "HostKeyAlgorithms", kinds, f"by which {host} shows who it is")
        return
    offered = values.get("hostkeyalgorithms", "")
    if offered and not any(map(sshcert.is_certificate_type, offered.split(","))):
        needed = (sshcert.certificate_type("ssh-ed25519"),)
        _require_one(args, values, "HostKeyAlgorithms", needed, f"by which {host} shows who it is")
    signed = [kind for line in bundle.host_ca for kind in _algorithms(line)]
    _require_one(args, values, "CASignatureAlgorithms", signed, "by which the installation certifies its hosts")


def _algorithms(line: str) -> tuple[str, ...]:
    """By which algorithms a key of this line signs."""
    kind = line.split(maxsplit=1)[0]
    return _RSA if kind == sshkey.RSA else (kind,)


def _require_one(
    args: ConnectionArgs, values: Mapping[str, str], option: str, needed: list[str] | tuple[str, ...], why: str
) -> None:
    allowed = values.get(option.lower(), "")
    if allowed and not set(needed) & set(allowed.split(",")):
        raise _refused(args, option, f"has no {' and no '.join(needed)}, {why}", f"{option} +{needed[0]}")


def _refused(args: ConnectionArgs, option: str, problem: str, instead: str) -> Refused:
    where = origin(args, option)
    return Refused(
        "hardened_options",
        f"your {option}{f' ({where})' if where else ''} {problem}",
        hint=f"write for this host, before it: {instead}",
    )


def origin(args: ConnectionArgs, option: str) -> str:
    """Where an option is written, as far as that can be found: ``~/.ssh/config line 3``; else empty."""
    if any(option.lower() in word.lower() for word in args.options):
        return "on the command line"
    system = [] if args.config else ["/etc/ssh/ssh_config"]
    own = [] if args.config == "none" else [args.config or "~/.ssh/config"]
    for path in (*own, *system):
        for file, number, keyword in _lines(path, 0):
            if keyword == option.lower():
                return f"{file} line {number}"
    return ""


def _lines(path: str, depth: int) -> Iterator[tuple[str, int, str]]:
    """File, number and lower-case keyword of each line of a configuration, and of what it includes."""
    try:
        text = Path(path).expanduser().read_text("utf-8", "replace") if depth <= _DEEPEST else ""
    except (OSError, RuntimeError):  # the latter where nobody knows the person's home
        return
    for number, line in enumerate(text.splitlines(), start=1):
        words = re.split(r"[\s=]+", line.strip().replace('"', ""))
        if words[0].lower() == "include":
            folder = Path("/etc/ssh" if path.startswith("/etc/ssh/") else "~/.ssh").expanduser()
            for pattern in words[1:]:
                place = folder / Path(pattern).expanduser()
                for inner in sorted(Path("/").glob(str(place).lstrip("/"))):
                    yield from _lines(str(inner), depth + 1)
        yield path, number, words[0].lower()
