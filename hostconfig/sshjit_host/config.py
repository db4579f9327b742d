"""``host.json``: who this host is, which key it trusts, and where its sshd is.

Every value is checked as what it is (name, URL, path, fingerprint) before anything else sees it. The file must belong
to root or to the user who runs the program, and nobody else may write it: it decides who gets in.
"""

from __future__ import annotations

import dataclasses
import os
import pwd
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sshjit_host.errors import ConfigError
from sshjit_host.formats import strictjson

DEFAULT_PATH = "/etc/ssh-jit/host.json"

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.ASCII)
HOST_ID = re.compile(rf"{_LABEL}(?:\.{_LABEL})*(?:~[1-9][0-9]{{0,5}})?", re.ASCII)
_LOGIN = re.compile(r"[A-Za-z_][A-Za-z0-9._-]{0,31}\$?", re.ASCII)
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}", re.ASCII)
_URL = re.compile(r"https?://[A-Za-z0-9.:\[\]-]{1,255}(?:/[A-Za-z0-9._~/-]{0,500})?", re.ASCII)
_PATH = re.compile(r"/[A-Za-z0-9_.,:@+~/-]{0,1000}", re.ASCII)
"""Paths are written into sshd's configuration, so they hold nothing that it would quote, expand or split."""

_REQUIRED = frozenset(("version", "name", "host_id", "url", "root", "logins"))
_DEFAULTS: dict[str, Any] = {
    "home": "/etc/ssh/ssh-jit",
    "sshd": "/usr/sbin/sshd",
    "ssh_keygen": "/usr/bin/ssh-keygen",
    "sshd_config": "/etc/ssh/sshd_config",
    "dropin": "/etc/ssh/sshd_config.d/10-ssh-jit.conf",
    "reload": None,
    "interval": 30,
    "run": "/run/ssh-jit-host",
    "pam": "/etc/pam.d",
    "warn": 120,
    "host_certificates": True,
    "only_certificates": False,
    "beside": False,
    "jump_login": "",
    "refresh_every": 0,
}
AUTO = ("auto",)
"""``reload``: the way is found out each time (``openssh/reloading.py``)."""
LATER = ("later",)
"""``reload``: not now; never in the file."""
SHORTEST_TIMER, LONGEST_TIMER = 10, 1800
"""Seconds of ``refresh_every``: each refresh starts a process; after an hour without one a bundle is called stale."""


@dataclass(frozen=True)
class Config:
    """This host's settings, checked.

    ``url`` is the front end's, without a slash at its end; ``root`` the pinned bundle key, ``SHA256:…``; ``logins``
    the accounts that certificates open; ``home`` the folder that is ours alone; ``reload`` the command that makes sshd
    read its configuration again, ``AUTO``, or ``None``; ``interval`` seconds between two looks of ``watch``. ``run`` is
    the folder of the session daemon, ``pam`` that of PAM's services; sessions are warned ``warn`` seconds before their
    end. ``path`` is where these settings were read, and ``loaded`` says that they were.
    ``host_certificates``: whether sshd shows those of our CA; ``only_certificates``: whether our accounts are open to
    nothing else; ``beside``: whether another CA that the server trusts stays. ``jump_login``: the account by which
    people pass through to hosts behind this one; empty: it is no bastion. ``refresh_every``: seconds from one refresh
    by systemd's timer to the next; 0: the daemon ``watch`` takes bundles.
    """

    name: str
    host_id: str
    url: str
    root: str
    logins: tuple[str, ...]
    home: Path
    sshd: Path
    ssh_keygen: Path
    sshd_config: Path
    dropin: Path
    reload: tuple[str, ...] | None
    interval: int
    run: Path
    pam: Path
    warn: int
    path: Path
    host_certificates: bool = True
    only_certificates: bool = False
    beside: bool = False
    jump_login: str = ""
    refresh_every: int = 0
    loaded: bool = False

    @property
    def accounts(self) -> tuple[str, ...]:
        """Every account that certificates open, also the one by which people only pass through."""
        return (*self.logins, *((self.jump_login,) if self.jump_login else ()))

    @property
    def opens_others(self) -> bool:
        """Whether one of the accounts is another than that of the user who runs this program."""
        return set(self.accounts) != {pwd.getpwuid(os.geteuid()).pw_name}


def load(path: Path) -> Config:
    """Read the configuration file; raise ``ConfigError`` if it is missing, wrong, or writable by others."""
    return of_text(text(path), path)


def of_text(given: str, path: Path) -> Config:
    """The settings of a file whose text was read (``text``); raise ``ConfigError`` if it is wrong."""
    try:
        return dataclasses.replace(parse(given, path.resolve()), loaded=True)
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None


def text(path: Path) -> str:
    """The text of the configuration file; raise ``ConfigError`` if it is missing, or writable by others."""
    try:
        with path.open(encoding="utf-8") as file:
            status = os.fstat(file.fileno())
            given = file.read(1024 * 1024)
    except OSError as error:
        raise ConfigError(
            f"cannot read {path}: {error.strerror}",
            hint="name the file with --config or SSH_JIT_HOST_CONFIG",
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8") from None
    if status.st_uid not in (0, os.geteuid()) or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ConfigError(f"others can write {path}", hint=f"chown root {path}; chmod 644 {path}")
    return given


def parse(text: str, path: Path = Path(DEFAULT_PATH)) -> Config:
    """Make a ``Config`` of the file's text; raise ``ValueError`` with the field's name."""
    given = strictjson.loads(text)
    strictjson.only(given, required=_REQUIRED, optional=frozenset(_DEFAULTS))
    fields = {**_DEFAULTS, **given}
    if strictjson.typed(fields, "version", int) != 1:
        raise ValueError("version is not 1")
    interval = strictjson.typed(fields, "interval", int)
    if not 1 <= interval <= 24 * 3600:
        raise ValueError("interval is not between 1 and 86400 seconds")
    warn = strictjson.typed(fields, "warn", int)
    if not 0 <= warn <= 24 * 3600:
        raise ValueError("warn is not between 0 and 86400 seconds")
    logins = strictjson.strings(fields, "logins")
    if not logins or len(set(logins)) != len(logins):
        raise ValueError("logins is empty or names one twice")
    for login in logins:
        if not _LOGIN.fullmatch(login):
            raise ValueError(f"logins: {login!r} is not a login name")
    jump_login = strictjson.typed(fields, "jump_login", str)
    if jump_login and (not _LOGIN.fullmatch(jump_login) or jump_login in logins):
        raise ValueError(f"jump_login: {jump_login!r} is not the name of another account than those in logins")
    refresh_every = strictjson.typed(fields, "refresh_every", int)
    if refresh_every and not SHORTEST_TIMER <= refresh_every <= LONGEST_TIMER:
        limits = f"between {SHORTEST_TIMER} and {LONGEST_TIMER} seconds"
        raise ValueError(f"refresh_every is neither 0 (by the daemon) nor {limits}")
    return Config(
        name=_match(fields, "name", _NAME),
        host_id=_match(fields, "host_id", HOST_ID),
        url=_url(_match(fields, "url", _URL)),
        root=_match(fields, "root", _FINGERPRINT),
        logins=logins,
        home=_path(fields, "home"),
        sshd=_path(fields, "sshd"),
        ssh_keygen=_path(fields, "ssh_keygen"),
        sshd_config=_path(fields, "sshd_config"),
        dropin=_path(fields, "dropin"),
        reload=_reload(fields),
        interval=interval,
        run=_path(fields, "run"),
        pam=_path(fields, "pam"),
        warn=warn,
        path=path,
        host_certificates=strictjson.typed(fields, "host_certificates", bool),
        only_certificates=strictjson.typed(fields, "only_certificates", bool),
        beside=strictjson.typed(fields, "beside", bool),
        jump_login=jump_login,
        refresh_every=refresh_every,
    )


def _match(fields: dict[str, Any], name: str, pattern: re.Pattern[str]) -> str:
    value = strictjson.typed(fields, name, str)
    if not pattern.fullmatch(value):
        raise ValueError(f"{name}: {value!r} is malformed")
    return value


def _url(url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ValueError(f"url: {url!r} is malformed")
    return url.rstrip("/")


def _path(fields: dict[str, Any], name: str) -> Path:
    path = Path(_match(fields, name, _PATH))
    if ".." in path.parts or path == Path("/"):
        raise ValueError(f"{name}: {str(path)!r} is malformed")
    return path


def _reload(fields: dict[str, Any]) -> tuple[str, ...] | None:
    if fields["reload"] is None:
        return None
    if fields["reload"] == "auto":
        return AUTO
    command = strictjson.strings(fields, "reload")
    if not command or not command[0].startswith("/"):
        raise ValueError('reload is neither null, nor "auto", nor a command that begins with a path')
    return command
