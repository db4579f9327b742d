"""``ca.toml``: where things are, who may speak to the CA, and the ceilings.

A configuration that others can write would let them choose the policy, so such a file is refused.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from sshjit import cosignature, durations, names, settings
from sshjit.cosignature import Witness
from sshjit.errors import Invalid
from sshjit.policy import Policy, with_files
from sshjit.policy import load as load_text
from sshjit_ca.passkey_config import PasskeyFile, PasskeySites, passkey_sites
from sshjit_ca.place_config import Place, PlaceFile, places
from sshjit_ca.source_config import CheckerFile, CheckerPlace, RotaFile, RotaPlace, checker_place, rota_place

DEFAULT_PATH = Path("/etc/ssh-jit/ca.toml")
INSTALLATION = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}")
"""What an installation may be called."""
LONGEST_CERTIFICATE = 24 * 3600
LONGEST_SETTLE = 30 * 24 * 3600
LONGEST_LOGIN = 7 * 24 * 3600
LARGEST_RESERVE = 1024
LONGEST_PAUSE = 24 * 3600
MOST_NUMBER = 10_000


@dataclass(frozen=True, slots=True)
class _Probe:
    enabled: bool = False


@dataclass(frozen=True, slots=True)
class _Witness:
    url: str
    key: str


@dataclass(frozen=True, slots=True)
class _File:
    installation: str
    home: str
    web_socket: str
    admin_socket: str
    web_users: tuple[str, ...]
    admin_users: tuple[str, ...] = ()
    database: str | None = None
    policy: str = "policy.toml"
    providers: str = "providers.toml"
    certificate_max: str = "15m"
    login_max_age: str = "8h"
    key_settle: str = "1h"
    waiting_max: int = 50
    asks_per_hour: int = 10_000
    sign_ins_per_minute: int = 6_000
    denial_pause: str | None = None
    log: Literal["text", "json"] = "text"
    agent_socket: str | None = None
    disk_reserve_mib: int = 16
    syslog: str = "/dev/log"
    alert_command: tuple[str, ...] = ()
    front_end: str | None = None
    unsafe_development: bool = False
    probe: _Probe = _Probe()
    passkeys: PasskeyFile | None = None
    witness: tuple[_Witness, ...] = ()
    checkpoint: tuple[PlaceFile, ...] = ()
    tickets: Mapping[str, CheckerFile] = field(default_factory=dict)
    rotas: Mapping[str, RotaFile] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WitnessAddress:
    """A witness of the log, and the URL below which it is asked, with a slash at its end."""

    witness: Witness
    url: str


@dataclass(frozen=True, slots=True)
class Config:
    """What the CA was told. Paths are absolute; ``certificate_max`` and ``login_max_age`` are seconds.

    ``disk_reserve_mib`` is mebibytes that are kept for revoking when the disk is full.
    """

    installation: str
    home: Path
    database: str
    web_socket: Path
    admin_socket: Path
    web_users: frozenset[int]
    admin_users: frozenset[int]
    policy: Path
    providers: Path
    certificate_max: int
    login_max_age: int
    key_settle: int
    """Seconds for which a bundle must have named a CA key before that key signs."""
    waiting_max: int
    """Requests of one person that may wait for an answer at a time."""
    asks_per_hour: int
    """New requests of one person within an hour: more than work needs, and little enough for the log."""
    sign_ins_per_minute: int
    """Sign-ins by one provider."""
    json_log: bool
    """Whether what the CA logs is JSON."""
    denial_pause: int
    """Seconds after a denial in which the same person does not ask approvers for the same; 0: none."""
    agent_socket: Path | None
    disk_reserve_mib: int
    syslog: Path
    """The socket of the syslog daemon, which hears the CA's own alarms."""
    alert_command: tuple[str, ...]
    """What is run for each alarm, with the alarm as JSON on its standard input; empty: nothing."""
    unsafe_development: bool
    front_end: str | None = None
    """The front end's address as hosts reach it, ``https://…`` without a slash at the end: for joining lines alone."""
    probes: bool = False
    """Whether the CA signs certificates for the operator's probes of hosts."""
    witnesses: tuple[WitnessAddress, ...] = ()
    """Who is asked to sign each new head of the log."""
    checkpoints: tuple[Place, ...] = ()
    """Where the log's newest head is sent."""
    read: tuple[Path, str] | None = None
    """The file that this was read from, and its text's SHA-256 (hex)."""
    tickets: Mapping[str, CheckerPlace] = field(default_factory=dict)
    """Where the checkers of the policy are."""
    rotas: Mapping[str, RotaPlace] = field(default_factory=dict)
    """Where the rotas of the policy are."""
    passkeys: PasskeySites | None = None
    """``None``: nobody approves by a passkey."""

    @property
    def origin(self) -> str:
        """The log's name in checkpoints."""
        return f"{self.installation}/ssh-jit"

    def key_file(self, purpose: str) -> Path:
        """Where the private key for a purpose is kept."""
        return self.home / "keys" / purpose


def load(path: Path) -> Config:
    """Reads ``ca.toml``.

    Raises:
        Invalid: ``bad_config``, naming file and key, or ``config_writable``.

    """
    text, status = _read(path)
    file = settings.fill(_File, settings.parse(text, path.name), path.name)
    _require_trusted(path, status, _owner(Path(file.home)))
    if not INSTALLATION.fullmatch(file.installation):
        raise Invalid(
            "bad_config", f"{path.name}: 'installation' must consist of lower-case letters, digits, '-' and '.'"
        )
    home = _absolute(path, "home", file.home)
    own = os.getuid()
    return Config(
        installation=file.installation,
        home=home,
        database=_database(path, file.database or f"sqlite:///{home}/ca.db"),
        web_socket=_absolute(path, "web_socket", file.web_socket),
        admin_socket=_absolute(path, "admin_socket", file.admin_socket),
        web_users=frozenset(_uid(path, name) for name in file.web_users) | {own},
        admin_users=frozenset(_uid(path, name) for name in file.admin_users) | {own},
        policy=path.parent / file.policy,
        providers=path.parent / file.providers,
        certificate_max=_limited(path, "certificate_max", file.certificate_max, LONGEST_CERTIFICATE),
        login_max_age=_limited(path, "login_max_age", file.login_max_age, LONGEST_LOGIN),
        disk_reserve_mib=_reserve(path, file.disk_reserve_mib),
        syslog=_absolute(path, "syslog", file.syslog),
        alert_command=_command(path, file.alert_command),
        key_settle=_limited(path, "key_settle", file.key_settle, LONGEST_SETTLE),
        waiting_max=_number(path, "waiting_max", file.waiting_max),
        asks_per_hour=_number(path, "asks_per_hour", file.asks_per_hour),
        sign_ins_per_minute=_number(path, "sign_ins_per_minute", file.sign_ins_per_minute),
        json_log=file.log == "json",
        denial_pause=_limited(path, "denial_pause", file.denial_pause, LONGEST_PAUSE) if file.denial_pause else 0,
        agent_socket=_absolute(path, "agent_socket", file.agent_socket) if file.agent_socket else None,
        unsafe_development=file.unsafe_development,
        front_end=_front_end(path, file.front_end),
        probes=file.probe.enabled,
        passkeys=passkey_sites(file.passkeys, path),
        witnesses=_witnesses(path, file.witness),
        checkpoints=places(file.checkpoint, path, plain_http=file.unsafe_development),
        read=(path.absolute(), _digest(text)),
        tickets={
            name: checker_place(written, f"{path.name}: tickets.{name}", plain_http=file.unsafe_development)
            for name, written in file.tickets.items()
        },
        rotas={
            name: rota_place(written, f"{path.name}: rotas.{name}", plain_http=file.unsafe_development)
            for name, written in file.rotas.items()
        },
    )


def files_at_start(config: Config, providers: str) -> dict[Path, str]:
    """The files that only a start reads, and the SHA-256 (hex) of each; ``providers``: the text of that one."""
    return dict(filter(None, (config.read, (config.providers, _digest(providers)))))


def changed_files(at_start: Mapping[Path, str]) -> tuple[str, ...]:
    """Those of ``files_at_start`` that say something else now, or cannot be read."""
    return tuple(str(path) for path, digest in at_start.items() if _digest_of(path) != digest)


def _digest_of(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def read_policy(config: Config) -> str:
    """The text of the policy with the calendar files beside it that it names, all of them trusted as ``read_trusted``.

    Raises:
        PolicyError: what is wrong with a calendar file.

    """
    return with_files(
        read_trusted(config.policy),
        lambda name: read_trusted(config.policy.with_name(name)),
        file=config.policy.name,
    )


def load_policy(config: Config, text: str) -> Policy:
    """The policy that ``text`` is; the configuration says where its checkers and rotas are.

    Raises:
        PolicyError: what is wrong with it.
        Invalid: ``no_source``, when a checker or a rota is nowhere.

    """
    loaded = load_text(text, file=config.policy.name)
    for table, named, known in (("tickets", loaded.tickets, config.tickets), ("rotas", loaded.rotas, config.rotas)):
        for name in sorted(named.keys() - known.keys()):
            problem = f"the policy has {table}.{name}, and ca.toml does not say where that is"
            raise Invalid("no_source", problem, hint=f"add [{table}.{name}] to ca.toml, and start the CA again")
    return loaded


def read_trusted(path: Path) -> str:
    """The text of a file that only root or we can change.

    Raises:
        Invalid: ``no_config``, ``config_writable``, ``bad_config``.

    """
    text, status = _read(path)
    _require_trusted(path, status)
    return text


def _read(path: Path) -> tuple[str, os.stat_result]:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            raw = file.read()
    except OSError as error:
        hint = _EXAMPLE if isinstance(error, FileNotFoundError) else ""
        raise Invalid("no_config", f"{path}: {error.strerror}", hint=hint) from None
    try:
        return raw.decode("utf-8"), status
    except UnicodeDecodeError:
        raise Invalid("bad_config", f"{path} is not UTF-8") from None


_EXAMPLE = "ssh-jit-ca init writes commented settings; --config FILE names others"


def _require_trusted(path: Path, status: os.stat_result, owner: int | None = None) -> None:
    """Refuses what others can write. ``owner`` is whom the CA's home belongs to: root's command works for that user."""
    trusted = {0, os.getuid()} | ({owner} if os.getuid() == 0 and owner is not None else set())
    if status.st_uid not in trusted or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise Invalid(
            "config_writable", f"{path} is writable by other users", hint=f"chown root {path}; chmod go-w {path}"
        )


def _owner(home: Path) -> int | None:
    try:
        return home.stat().st_uid
    except OSError:
        return None


def _absolute(path: Path, key: str, value: str) -> Path:
    absolute = Path(value)
    if not absolute.is_absolute():
        raise Invalid("bad_config", f"{path.name}: {key!r} must be an absolute path")
    return absolute


def _database(path: Path, address: str) -> str:
    """The address of the database. A file must be named from the root on: commands are typed in any folder."""
    if address.startswith("sqlite") and not re.match(r"[a-z+]+:////[^?]", address):
        hint = 'database = "sqlite:////var/lib/ssh-jit-ca/ca.db"'
        raise Invalid("bad_config", f"{path.name}: 'database' must be the absolute path of a file", hint=hint)
    return address


def _uid(path: Path, name: str) -> int:
    if name.isdecimal():
        return int(name)
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        raise Invalid("bad_config", f"{path.name}: there is no Unix user {name!r}") from None


def _command(path: Path, words: tuple[str, ...]) -> tuple[str, ...]:
    """A command of its own words: no shell, and no search for the program."""
    if words and not Path(words[0]).is_absolute():
        raise Invalid("bad_config", f"{path.name}: 'alert_command' must begin with the absolute path of a program")
    return words


def _front_end(path: Path, text: str | None) -> str | None:
    try:
        return None if text is None else names.origin(text, plain_http=True)
    except Invalid as error:
        raise Invalid("bad_config", f"{path.name}: 'front_end': {error.message}", hint=error.hint) from None


def _witnesses(path: Path, tables: tuple[_Witness, ...]) -> tuple[WitnessAddress, ...]:
    addresses = []
    for table in tables:
        try:
            witness = cosignature.parse_verifier_key(table.key)
            url = names.url(table.url, plain_http=True)
        except Invalid as error:
            raise Invalid("bad_config", f"{path.name}: 'witness': {error.message}", hint=error.hint) from None
        if "?" in url or "#" in url:
            raise Invalid("bad_config", f"{path.name}: 'witness': {names.show(url)} has more than a path")
        addresses.append(WitnessAddress(witness, url if url.endswith("/") else f"{url}/"))
    if len({address.witness.key_hash for address in addresses}) < len(addresses):
        raise Invalid("bad_config", f"{path.name}: two witnesses have the same key")
    return tuple(addresses)


def _reserve(path: Path, mebibytes: int) -> int:
    if not 1 <= mebibytes <= LARGEST_RESERVE:
        raise Invalid("bad_config", f"{path.name}: 'disk_reserve_mib' must be 1 to {LARGEST_RESERVE}")
    return mebibytes


def _number(path: Path, key: str, number: int) -> int:
    if not 1 <= number <= MOST_NUMBER:
        raise Invalid("bad_config", f"{path.name}: {key!r} must be 1 to {MOST_NUMBER}")
    return number


def _limited(path: Path, key: str, value: str, longest: int) -> int:
    try:
        seconds = durations.parse(value)
    except Invalid as error:
        raise Invalid("bad_config", f"{path.name}: {key!r}: {error.message}") from None
    if not 0 < seconds <= longest:
        raise Invalid("bad_config", f"{path.name}: {key!r} must be at most {durations.show(longest)}")
    return seconds
