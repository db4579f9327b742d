"""The folder that plain ssh reads: for each name a key, a certificate beside it, known_hosts, and until when it lives.

``NAME`` (a link to the sign-in's key) and ``NAME-cert.pub`` stand side by side, where other programs look for the pair;
``ACCOUNT@NAME`` the same for any other account. ``NAME.live`` has a line ``ACCOUNT UNTIL`` for each account, which
``fast.py`` reads; what it is asked for where nobody named an account stands there as ``-``, as ``%r`` and as the local
user's name: some programs pass the token as it is, ssh the local user. In agent mode a third word is the agent's
socket: ``fast.py`` cannot ask that, and leaves it to ``ensure``. ``NAME~id`` leads ssh to the certificate then, and to
the key where the agent does not have it.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from sshjit.bundle import Bundle
from sshjit.sshcert import Certificate
from sshjit_client.connecting.certificate import CheckedCertificate, read, request_of
from sshjit_client.plain_ssh.fast import SPARE
from sshjit_client.plain_ssh.layout import IDENTITY, LIVE, Layout, way_to
from sshjit_client.ssh import known_hosts, sshconfig
from sshjit_client.storage import files, one_line

NO_ACCOUNT = "-"
"""Who one is where nobody named an account, in ``NAME.live``."""
_BESIDE = "-cert.pub"
LITERAL = "%r"
"""What programs pass that do not know the token."""


@dataclass(frozen=True, slots=True)
class Pair:
    """What other programs need for a host. ``until``: the certificate's end by this machine's clock.

    ``agent``: the socket of the agent that has it too; empty: none has.
    """

    name: str
    account: str
    key: Path
    certificate: Path
    known_hosts: Path
    until: int
    agent: str = ""


def live(layout: Layout, name: str, account: str) -> int:
    """Until when the certificate lives; 0 if there is none that does."""
    return next((line.until for line in _lines(layout, name) if line.account == account), 0)


def agent_of(layout: Layout, name: str, account: str) -> str:
    """The socket of the agent that has the certificate; empty: ssh reads it from its file."""
    return next((line.agent for line in _lines(layout, name) if line.account == account), "")


def account_of(layout: Layout, name: str) -> str:
    """The account of the certificate that counts where nobody named one; empty if there is none that lives."""
    if not live(layout, name, NO_ACCOUNT):
        return ""
    held = read(layout.certificate(name))
    return held.principals[0].partition("@")[0] if held else ""


def pair(layout: Layout, name: str, account: str, *, usual: bool) -> Pair:
    """The files of a name; ``usual``: of the account that counts where nobody names one."""
    stem, kept = (name, NO_ACCOUNT) if usual else (f"{account}@{name}", account)
    until, agent = live(layout, name, kept), agent_of(layout, name, kept)
    return Pair(name, account, layout.key(stem), layout.certificate(stem), layout.known_hosts(name), until, agent)


def keep(
    layout: Layout,
    name: str,
    checked: CheckedCertificate,
    bundle: Bundle,
    key: Path,
    *,
    until: int,
    usual: bool,
    agent: str = "",
) -> None:
    """Writes a certificate and what goes with it; the line that says until when it lives comes last.

    The folder is there: where it is gone, so is the sign-in.

    ``agent``: the socket of the agent that has it; empty: ssh reads it from its file.
    """
    known = known_hosts.text(bundle, name, checked.route.port, plain_ssh=True)
    files.write(layout.known_hosts(name), known, durable=False)
    stems = [f"{checked.login}@{name}", *([name] if usual else [])]
    for stem in stems:
        files.link(layout.key(stem), key)
        files.write(layout.certificate(stem), f"{checked.line}\n", durable=False)
        _lead(layout, stem, in_agent=bool(agent))
    if checked.bastion is not None:
        way, bastion = way_to(name), checked.bastion
        files.link(layout.key(way), key)
        files.write(layout.certificate(way), f"{bastion.line}\n", durable=False)
        known = known_hosts.text(bundle, bastion.host, bastion.port, plain_ssh=True)
        files.write(layout.known_hosts(way), known, durable=False)
        _lead(layout, way, in_agent=bool(agent))
    new = [_Line(word, until, agent) for word in (checked.login, *(no_account() if usual else ()))]
    _write(layout, name, [*_lines(layout, name), *new])


def read_from_files(layout: Layout, name: str, account: str | None) -> None:
    """Lets ssh read the certificate of an account, the usual one if none is named, from its file, and the way there."""
    for stem in (name if account is None else f"{account}@{name}", way_to(name)):
        if layout.certificate(stem).exists():
            _lead(layout, stem, in_agent=False)
    words = no_account() if account is None else (account,)
    _write(
        layout,
        name,
        [replace(line, agent="" if line.account in words else line.agent) for line in _lines(layout, name)],
    )


def _lead(layout: Layout, stem: str, *, in_agent: bool) -> None:
    """Leads ssh to the certificate alone, or to the key with the certificate beside it."""
    identity, beside = layout.identity(stem), layout.certificate(f"{stem}{IDENTITY}")
    if in_agent:
        beside.unlink(missing_ok=True)
        files.link(identity, Path(layout.certificate(stem).name))
    else:
        files.link(beside, Path(layout.certificate(stem).name))
        files.link(identity, Path(layout.key(stem).name))


def remove_dead(layout: Layout, name: str, account: str) -> None:
    """Removes the certificate of this account if it lives no more, for ssh would show it: hosts count that.

    ``account`` may be ``NO_ACCOUNT``.
    """
    if live(layout, name, account):
        return
    stems = [name if account == NO_ACCOUNT else f"{account}@{name}"]
    if not _lines(layout, name):  # else another account may still pass through the bastion
        stems.append(way_to(name))
    for stem in stems:
        for path in (layout.key(stem), layout.certificate(stem), *_identity(layout.key(stem))):
            path.unlink(missing_ok=True)


def all_kept(layout: Layout) -> list[tuple[Path, Certificate, int]]:
    """The certificates for hosts, each once, with its file and its end by this machine's clock."""
    kept: dict[int, tuple[Path, Certificate, int]] = {}
    for path in sorted(layout.folder.glob(f"*{_BESIDE}")):
        account, _, name = path.name.removesuffix(_BESIDE).rpartition("@")
        held = None if "~" in name else read(path)
        if held is not None:
            kept[held.serial] = (path, held, live(layout, name, account or NO_ACCOUNT) or held.valid_before)
    return list(kept.values())


def drop(layout: Layout, requests: Collection[str]) -> list[Certificate]:
    """Removes the certificates of these requests, which are over: hosts refuse them from now on. Returns them."""
    stems = [path.name.removesuffix(_BESIDE) for path in layout.folder.glob(f"*{_BESIDE}")]
    ways = {way_to(path.name.removesuffix(LIVE)): path.name for path in layout.folder.glob(f"*{LIVE}")}
    by_name: dict[str, list[str]] = {}
    for stem in stems:
        if not stem.endswith(IDENTITY) and request_of(layout.certificate(stem)) in requests:
            by_name.setdefault(ways.get(stem, stem).rpartition("@")[2].removesuffix(LIVE), []).append(stem)
    gone = []
    for name, of_name in by_name.items():
        with suppress(FileNotFoundError), files.alone(layout.lock(name)):  # or the whole sign-in is removed meanwhile
            still = [stem for stem in of_name if request_of(layout.certificate(stem)) in requests]
            gone += [_forget(layout, name, stem) for stem in still]
    return [certificate for certificate in gone if certificate is not None]


def _forget(layout: Layout, name: str, stem: str) -> Certificate | None:
    """Removes a certificate and the lines that say that it lives: of a bastion's all, for it leads there no more."""
    held, account = read(layout.certificate(stem)), stem.rpartition("@")[0]
    words = (account,) if account else no_account()
    left = [line for line in _lines(layout, name) if line.account not in words and stem != way_to(name)]
    if left:
        _write(layout, name, left)
    else:
        layout.live(name).unlink(missing_ok=True)
    for path in (layout.certificate(stem), layout.key(stem), *_identity(layout.key(stem))):
        path.unlink(missing_ok=True)
    return held


def _identity(key: Path) -> tuple[Path, Path]:
    """What leads ssh to a key's certificate, or to the key with its certificate beside it."""
    return key.with_name(f"{key.name}{IDENTITY}"), key.with_name(f"{key.name}{IDENTITY}-cert.pub")


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of ``NAME.live``."""

    account: str
    until: int
    agent: str = ""


def _write(layout: Layout, name: str, lines: list[_Line]) -> None:
    """Writes ``NAME.live``; of an account's lines the last one counts."""
    text = {line.account: f"{line.account} {line.until} {line.agent}".strip() for line in lines}
    files.write(layout.live(name), "".join(f"{line}\n" for line in one_line.require(*text.values())), durable=False)


def _lines(layout: Layout, name: str) -> list[_Line]:
    """What ``NAME.live`` says of certificates that live."""
    try:
        lines = layout.live(name).read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return []
    split = [(*line.split(" ", 2), "", "")[:3] for line in lines]
    now = time.time() + SPARE
    return [
        _Line(word, int(end), agent)
        for word, end, agent in split
        if end.isascii() and end.isdecimal() and int(end) > now
    ]


def no_account() -> tuple[str, ...]:
    """What stands for "nobody named an account"."""
    return (NO_ACCOUNT, LITERAL, sshconfig.local_user())
