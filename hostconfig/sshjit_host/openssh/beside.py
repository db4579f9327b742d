"""Beside another CA that the server trusts already: our lines in its files, and exactly those taken out again.

sshd knows one ``TrustedUserCAKeys`` and one ``AuthorizedPrincipalsFile`` for a connection. With ``--beside`` the
owner's stay: our CA keys are put below those in that file, and our principals into the principals files of our
accounts. Where the owner has none, a certificate must name the account itself; our own files, for our accounts alone,
then say that too. What was put where is written down before it is done. Only files that nobody but root can change are
read and written: an account's holder could lead root to any file by a link, or write other principals into theirs.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pwd
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sshjit_host.config import Config
from sshjit_host.errors import HostError, SshdError
from sshjit_host.formats import strictjson
from sshjit_host.machine import files
from sshjit_host.openssh import sshdconf
from sshjit_host.openssh.account_checks import expanded
from sshjit_host.openssh.effective import Effective

Ask = Callable[[str], Effective]
"""What sshd says is in effect for an account; raises ``effective.Refused`` if it does not answer."""
RECORD = "beside.json"
"""The file in the host's home that says which lines are ours."""


@dataclass
class _Place:
    """Our lines in one file of the owner; ``glued``: its last line had no end, ``made``: there was no such file.

    ``last`` is the digest of that last line: if another one stands there, its end is the owner's. Empty: nobody knows.
    """

    lines: list[str] = field(default_factory=list)
    glued: bool = False
    made: bool = False
    last: str = ""


def has_principals_files(config: Config, layout: sshdconf.Layout) -> bool:
    """Whether the owner's configuration names principals files."""
    settings = layout.of("AuthorizedPrincipalsFile")
    return any(s.path != config.dropin and s.values != ("none",) for s in settings)


def principals(config: Config, login: str) -> str:
    """What our own principals file of an account says.

    Beside another CA it also says the account's name: without any such file that is what a certificate has to name.
    """
    return f"{login}\n{login}@{config.host_id}\n" if config.beside else f"{login}@{config.host_id}\n"


def require_places(config: Config, ask: Ask) -> None:
    """Raise ``HostError`` unless there are files that our lines can be put into, which root alone can change."""
    for path in _wanted(config, ask):
        _require_own(path)


def update(config: Config, ask: Ask, say: Callable[[str], None]) -> None:
    """Bring our lines in the owner's files up to date. The caller holds the lock of ``config.home``.

    Raises ``SshdError`` where there is no file to put them into, or somebody else could change it.
    """
    wanted = _by_place(_wanted(config, ask))
    record = _read(config)
    for path in sorted({*wanted, *record}):
        place = record.get(path, _Place())
        _require_own(path)
        before = files.read(path)
        base = _without(before or b"", place)
        lines = [line for line in wanted.get(path, []) if line.encode("ascii") not in base.splitlines()]
        glued = bool(base) and not base.endswith(b"\n") and bool(lines)
        after = base + (b"\n" if glued else b"") + "".join(f"{line}\n" for line in lines).encode("ascii")
        if after == (before or b"") and place.lines == lines:
            continue
        made = place.made or before is None
        known = [*place.lines, *(line for line in lines if line not in place.lines)]
        last = _digest(base) if glued else ""
        record[path] = _Place(known, place.glued or glued, made, last or place.last)
        _write(config, record)
        _put(path, None if made and not after else after)
        record[path] = _Place(lines, glued, made, last)
        _write(config, {path: place for path, place in record.items() if place.lines})
        say(f"{'put our lines into' if lines else 'took our lines out of'} {path}")


def take_out(config: Config, say: Callable[[str], None]) -> None:
    """Take our lines out of the owner's files, byte for byte."""
    for path, place in _read(config).items():
        _require_own(path)
        before = files.read(path)
        if before is None:
            continue
        after = _without(before, place)
        if after != before:
            _put(path, None if place.made and not after else after)
            say(f"took our lines out of {path}")
    files.remove(config.home / RECORD)


def places(config: Config) -> tuple[Path, ...]:
    """The owner's files that hold lines of ours."""
    return tuple(_read(config))


def require(config: Config, ask: Ask) -> None:
    """Raise ``SshdError`` unless the files that sshd goes by hold our lines."""
    for path, lines in _by_place(_wanted(config, ask)).items():
        held = (files.read(path) or b"").splitlines()
        missing = [line for line in lines if line.encode("ascii") not in held]
        if missing:
            raise SshdError(f"{path} does not hold our line {missing[0]!r}", hint="ssh-jit-host refresh puts it there")


def _require_own(path: Path) -> None:
    """Raise ``SshdError`` if somebody else than root can decide what is in a file."""
    if reason := files.of_others(path):
        raise SshdError(
            f"{path} decides who gets in, and is not root's alone: {reason}",
            hint="have sshd_config name a file below /etc/ssh, or chown root and chmod go-w what is named",
        )


def _by_place(wanted: dict[Path, list[str]]) -> dict[Path, list[str]]:
    """The same by where each file is, behind links. Raises ``SshdError`` if a link on the way is somebody else's."""
    places: dict[Path, list[str]] = {}
    for path, lines in wanted.items():
        _require_own(path)
        known = places.setdefault(path.resolve(), [])
        known += [line for line in lines if line not in known]
    return places


def _wanted(config: Config, ask: Ask) -> dict[Path, list[str]]:
    """Our lines by the file of the owner that they belong into, as sshd's configuration names it."""
    ours = (files.read(config.home / "user_ca.pub") or b"").decode("ascii").splitlines()
    with_files = has_principals_files(config, sshdconf.layout(config.sshd_config))
    wanted: dict[Path, list[str]] = {}
    for login in config.logins:
        counts = ask(login)
        trusted = counts.value("TrustedUserCAKeys")
        if trusted in ("", "none"):
            raise SshdError(f"sshd trusts no other CA for {login}", hint="join without --beside")
        wanted[Path(trusted)] = [f"{line} ssh-jit" for line in ours]
        pattern = counts.value("AuthorizedPrincipalsFile")
        if with_files:
            wanted.setdefault(_principals_file(pattern, login), []).append(f"{login}@{config.host_id}")
    return wanted


def _principals_file(pattern: str, login: str) -> Path:
    try:
        home = pwd.getpwnam(login).pw_dir
    except KeyError:
        raise HostError(f"there is no account {login}", hint=f"make it: its principals file is {pattern}") from None
    path = expanded(pattern, login, home) if pattern else None
    if path is None:
        raise SshdError(
            f"sshd's configuration has principals files, and none for {login}",
            hint=f"set AuthorizedPrincipalsFile for {login} as well",
        )
    return path


def _without(data: bytes, place: _Place) -> bytes:
    """The file's bytes without our lines, and without the line end that was put before them."""
    lines = data.splitlines(keepends=True)
    ours = [line.encode("ascii") for line in place.lines]
    at_end = bool(lines) and lines[-1].rstrip(b"\r\n") in ours
    for line in ours:
        matching = [number for number, held in enumerate(lines) if held.rstrip(b"\r\n") == line]
        if matching:
            del lines[matching[-1]]
    rest = b"".join(lines)
    glued = place.glued and at_end and rest.endswith(b"\n") and place.last in ("", _digest(rest))
    return rest[:-1] if glued else rest


def _digest(data: bytes) -> str:
    """Of the last line, without its end."""
    return hashlib.sha256((data.splitlines() or [b""])[-1]).hexdigest()


def _put(path: Path, data: bytes | None) -> None:
    """Write a file of the owner as it is otherwise: mode, user and group stay. ``None`` removes it."""
    if data is None:
        files.remove(path)
        return
    try:
        status = path.stat()
    except FileNotFoundError:
        files.write(path, data)
        return
    files.write(path, data, stat.S_IMODE(status.st_mode), owner=(status.st_uid, status.st_gid))


def _read(config: Config) -> dict[Path, _Place]:
    path = config.home / RECORD
    data = files.read_trusted(path)
    if data is None:
        return {}
    try:
        fields: dict[str, Any] = strictjson.loads(data.decode("ascii"))
        return {
            Path(name): _Place(
                [str(line) for line in place["lines"]],
                place["glued"] is True,
                place["made"] is True,
                str(place.get("last", "")),
            )
            for name, place in fields.items()
        }
    except (ValueError, KeyError, TypeError) as error:
        raise HostError(f"{path} cannot be used: {error}", hint="take our lines out by hand, then remove it") from None


def _write(config: Config, record: dict[Path, _Place]) -> None:
    fields = {str(path): dataclasses.asdict(place) for path, place in record.items()}
    files.write(config.home / RECORD, json.dumps(fields, indent=1, sort_keys=True).encode("ascii"), 0o600)
