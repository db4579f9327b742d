"""What ``web.toml`` may say, and which files are refused.

This file decides how the configuration is read: strictly (an unknown key is an error that names it), and only from
files that nobody else can write. Secrets never stand in it, only the paths of files that hold them. The providers
themselves are read by ``sshjit/providers.py``; nothing here talks to the network, the database or the CA.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
import stat
from dataclasses import dataclass, replace
from pathlib import Path
from pwd import struct_passwd
from urllib.parse import urlsplit

from sshjit import durations, names, providers, settings, workloads
from sshjit.errors import Failed, Invalid, SshJitError
from sshjit_web.notify_config import NotifyConfig
from sshjit_web.proxies import Proxies, checked_networks
from sshjit_web.structured_log import Style

CONFIG_VARIABLE = "SSH_JIT_WEB_CONFIG"
"""The environment variable that names ``web.toml``."""
MAX_FILE = 1024 * 1024
"""Bytes of a configuration file."""
MAX_ICON = 64 * 1024
"""Bytes of a provider's icon."""
MAX_RATE = 1_000_000
"""Requests a minute."""
MIN_SESSION = 300
MAX_SESSION = 24 * 3600
"""Seconds: bounds of what ``session_idle`` and ``session_max_age`` may be."""
MAX_CAS = 8
MIN_SESSION_KEY = 32
"""Characters that a session key has at least."""


@dataclass(frozen=True, slots=True)
class WebConfig:
    """The front end's configuration, checked: a value that exists is valid. Paths may be relative to its folder.

    Raises:
        Invalid: with the key that is wrong.

    """

    address: str
    """The address to listen on."""
    port: int
    public_url: str
    """What people type: scheme, host and port, no path. Cookies and redirect addresses are made from it."""
    ca_socket: tuple[str, ...]
    """The CA's ``web.sock``; of several CAs, of which one writes, each one's. A single one may stand without a list."""
    database: str
    """A SQLAlchemy URL, ``sqlite:////var/lib/ssh-jit-web/web.db``."""
    providers: str
    """``providers.toml``, the same file that the CA reads."""
    session_key_file: str
    """Holds 32 random characters or more; made on the first start if it is not there."""
    unsafe_http: bool = False
    """Cookies without ``Secure``: for development on loopback only."""
    threads: int = 24
    """How many requests are worked on at the same time."""
    tls_roots: str | None = None
    """Certificate authorities (PEM) of the providers, instead of the public ones."""
    proxy_hops: int = 0
    """How many reverse proxies of your own stand in front and add to ``X-Forwarded-For``."""
    tls_certificate: str | None = None
    """The certificate with its chain (PEM), where the front end ends TLS itself, 1.3 alone."""
    tls_key: str | None = None
    """Its private key (PEM), which nobody else may read."""
    trusted_proxies: tuple[str, ...] = ()
    """Instead of that: the networks of your own proxies, whose word on addresses counts, and nobody else's."""
    session_idle: str = "1h"
    """A session of the pages that nobody used for so long is over, and its sign-in with it."""
    session_max_age: str = "8h"
    """A session of the pages is over so long after it began, and whenever its sign-in is (``login_max_age``)."""
    security_txt: str | None = None
    """The file that is served at ``/.well-known/security.txt``."""
    log: Style = "text"
    """How the program logs."""
    rate_address: int = 6000
    """Requests of one address in a minute that need a thread, which polls for the bundle do not; 0: no limit."""
    rate_session: int = 1200
    """The same of one session or token."""
    metrics: str | None = None
    """Where Prometheus reads, ``127.0.0.1:9464``; ``None``: nowhere."""
    traces: str | None = None
    """The OTLP/HTTP address of the collector of spans; ``None``: there are none."""
    notify: NotifyConfig | None = None
    """Who is told of what, by which way; ``None``: nobody is told anything."""

    def __post_init__(self) -> None:
        names.address(self.address)
        names.port(self.port)
        names.url(self.public_url, plain_http=self.unsafe_http)
        if urlsplit(self.public_url).path not in ("", "/") or "?" in self.public_url or "#" in self.public_url:
            raise Invalid("bad_config", "public_url must be scheme, host and port only")
        if self.unsafe_http and not names.is_loopback(self.address):
            raise Invalid("bad_config", "unsafe_http is for loopback addresses only")
        if not 1 <= self.threads <= 256:
            raise Invalid("bad_config", "threads must be 1 to 256")
        self._check_sessions()
        self._check_proxies()
        if self.traces is not None:
            names.url(self.traces, plain_http=True)
        if self.metrics is not None:
            names.address(self.metrics_address[0])
            names.port(self.metrics_address[1])
        if not 0 <= min(self.rate_address, self.rate_session) <= max(self.rate_address, self.rate_session) <= MAX_RATE:
            raise Invalid("bad_config", f"rate_address and rate_session must be 0 to {MAX_RATE}")

    def _check_sessions(self) -> None:
        for name in ("session_idle", "session_max_age"):
            if not MIN_SESSION <= durations.parse(getattr(self, name)) <= MAX_SESSION:
                raise Invalid("bad_config", f"{name} must be 5m to 24h")

    def _check_proxies(self) -> None:
        if not 0 <= self.proxy_hops <= 8:
            raise Invalid("bad_config", "proxy_hops must be 0 to 8")
        _require_both(self.tls_certificate, self.tls_key)
        if not 1 <= len(self.ca_socket) <= MAX_CAS or len(set(self.ca_socket)) < len(self.ca_socket):
            raise Invalid("bad_config", f"ca_socket must be one socket, or up to {MAX_CAS} different ones")
        checked_networks(self.trusted_proxies)
        if self.trusted_proxies and self.proxy_hops:
            raise Invalid("bad_config", "either proxy_hops or trusted_proxies, not both", hint="leave proxy_hops out")

    @property
    def metrics_address(self) -> tuple[str, int]:
        """Address and port of ``metrics``.

        Raises:
            Invalid: ``bad_config``.

        """
        address, _, port = (self.metrics or "").rpartition(":")
        if not address or not port.isascii() or not port.isdecimal():
            raise Invalid("bad_config", "metrics must be an address and a port", hint='metrics = "127.0.0.1:9464"')
        return address.removeprefix("[").removesuffix("]"), int(port)

    @property
    def proxies(self) -> Proxies:
        """The proxies of our own."""
        return Proxies(self.proxy_hops, checked_networks(self.trusted_proxies))

    @property
    def origin(self) -> str:
        """``public_url`` as browsers write an origin: no slash at the end, no default port."""
        parts = urlsplit(self.public_url)
        default = {"http": 80, "https": 443}[parts.scheme]
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port not in (None, default) else "")

    @property
    def https(self) -> bool:
        """Whether people reach the pages over TLS."""
        return self.public_url.startswith("https:")


def _require_both(certificate: str | None, key: str | None) -> None:
    if (certificate is None) != (key is None):
        raise Invalid("bad_config", "tls_certificate and tls_key belong together")


def parse(text: str, folder: Path) -> WebConfig:
    """Makes a ``WebConfig`` of the text of ``web.toml``; its relative paths become absolute, below ``folder``.

    Raises:
        Invalid: ``bad_config``, naming the key.

    """
    try:
        table = settings.parse(text, "web.toml")
        if isinstance(alone := table.get("ca_socket"), str):
            table["ca_socket"] = [alone]
        config = settings.fill(WebConfig, table, "web.toml")
    except Invalid as error:
        if error.message.startswith("web.toml"):
            raise
        raise Invalid("bad_config", f"web.toml: {error.message}", hint=error.hint) from None
    return replace(
        config,
        ca_socket=tuple(str(folder / path) for path in config.ca_socket),
        providers=str(folder / config.providers),
        session_key_file=str(folder / config.session_key_file),
        tls_roots=None if config.tls_roots is None else str(folder / config.tls_roots),
        security_txt=None if config.security_txt is None else str(folder / config.security_txt),
        tls_certificate=None if config.tls_certificate is None else str(folder / config.tls_certificate),
        tls_key=None if config.tls_key is None else str(folder / config.tls_key),
    )


def load(path: Path) -> WebConfig:
    """Reads ``web.toml``.

    Raises:
        Invalid: as ``parse``; ``unsafe_file`` when others can write it, ``unreadable_file`` when we cannot read it.

    """
    return parse(read_trusted(path), path.resolve().parent)


def read_trusted(path: Path, *, secret: bool = False) -> str:
    """The text of a file that only its owner (root or ourselves) can write, and with ``secret`` no stranger can read.

    The checks are made on the open file, so it cannot be exchanged between check and use.

    Raises:
        Invalid: ``unsafe_file`` or ``unreadable_file``.

    """
    try:
        return read_bytes(path, MAX_FILE, secret=secret).decode("utf-8")
    except UnicodeDecodeError as error:
        raise Invalid("unreadable_file", f"cannot read {path}: {error}") from None


def read_bytes(path: Path, most: int, *, secret: bool = False) -> bytes:
    """At most so many bytes of such a file. Raises as ``read_trusted``."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            _refuse_unsafe(path, status, secret=secret)
            return file.read(most)
    except OSError as error:
        hint = _EXAMPLE if isinstance(error, FileNotFoundError) and not secret else ""
        raise Invalid("unreadable_file", f"cannot read {path}: {error}", hint=hint) from None


_EXAMPLE = "ssh-jit-web init writes commented settings; --config FILE names others"


def _refuse_unsafe(path: Path, status: os.stat_result, *, secret: bool) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise Invalid("unsafe_file", f"{path} is not a regular file")
    if status.st_uid not in (0, os.geteuid()):
        raise Invalid("unsafe_file", f"{path} belongs to another user", hint=f"chown root {path}")
    if status.st_mode & 0o022:
        raise Invalid("unsafe_file", f"{path} can be written by others", hint=f"chmod go-w {path}")
    if secret and status.st_mode & 0o007:
        raise Invalid("unsafe_file", f"{path} holds a secret and can be read by others", hint=f"chmod o= {path}")


def session_key(path: Path) -> bytes:
    """The key that form tokens and sign-in secrets are derived from; made if the file is not there, or is empty.

    Raises:
        Invalid: ``unsafe_file``, ``unreadable_file``, or ``bad_session_key`` when it is too short.
        Failed: ``no_session_key``, when it cannot be made.

    """
    try:
        if os.path.lexists(path) and not read_trusted(path, secret=True).strip():
            path.unlink()  # of a power cut, by an older release
        if not os.path.lexists(path):
            _make_durably(path, secrets.token_hex(MIN_SESSION_KEY) + "\n")
    except OSError as error:
        raise Failed("no_session_key", f"cannot make {path}: {error}") from None
    key = read_trusted(path, secret=True).strip().encode()
    if len(key) < MIN_SESSION_KEY:
        text = f"{path} holds less than {MIN_SESSION_KEY} characters"
        raise Invalid("bad_session_key", text, hint="remove it: a new one is made, and everybody signs in again")
    return key


def make_settings(path: Path, text: str, mode: int = 0o644, group: int | None = None) -> None:
    """Writes a file, in a folder that is made if need be; another program's file stays. ``group``: its number.

    Raises:
        OSError: why it cannot be written.

    """
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    _make_durably(path, text, mode, group)


def make_owned_folder(path: Path, mode: int, owner: struct_passwd) -> None:
    """Makes a folder for a user. Raises ``OSError``."""
    path.mkdir(mode=0o700)
    os.chown(path, owner.pw_uid, owner.pw_gid)
    path.chmod(mode)


def set_aside(database: Path) -> Path:
    """Gives a database of SQLite another name, with the files beside it, so that nothing uses it by mistake.

    The name is a free one: an older database that was set aside stays.
    """
    names = (f"{database.name}.moved" + (f".{number}" * (number > 1)) for number in itertools.count(1))
    aside = next(path for path in map(database.with_name, names) if not any(map(os.path.lexists, _parts(path))))
    for part, to in zip(_parts(database), _parts(aside), strict=True):
        if part.exists():
            part.rename(to)
    return aside


def _parts(database: Path) -> list[Path]:
    return [database.with_name(f"{database.name}{suffix}") for suffix in ("", "-wal", "-shm")]


def _make_durably(path: Path, text: str, mode: int = 0o600, group: int | None = None) -> None:
    """Writes a file that only we can read, or as ``mode`` says: whole or not at all, and on the disk at the end."""
    new = path.with_name(f".{path.name[:40]}.{secrets.token_hex(8)}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 -- wraps a descriptor
            file.write(text)
            if group is not None:
                os.fchown(descriptor, -1, group)
            os.fchmod(descriptor, mode)  # whatever the umask
            file.flush()
            os.fsync(descriptor)
        with contextlib.suppress(FileExistsError):  # another process was first
            path.hardlink_to(new)
    finally:
        new.unlink()
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def load_providers(path: Path) -> dict[str, providers.Provider]:
    """The providers of ``providers.toml``, in the file's order.

    Raises:
        Invalid: ``bad_config``, naming the key, and as ``read_trusted``.

    """
    return providers.load(read_trusted(path), file=path.name)


def load_workloads(path: Path) -> dict[str, workloads.WorkloadIssuer]:
    """The issuers of workloads of ``providers.toml``, in the file's order. Raises as ``load_providers``."""
    return workloads.load(read_trusted(path), file=path.name)


def client_secrets(known: dict[str, providers.Provider], folder: Path) -> dict[str, str]:
    """The secret of each provider's web client, from its file.

    Raises:
        Invalid: as ``read_trusted``, or ``empty_secret``.

    """
    by_provider = {}
    for name, provider in known.items():
        path = folder / provider.web.client_secret_file
        by_provider[name] = read_trusted(path, secret=True).strip()
        if not by_provider[name]:
            hint = f"write the secret of {name}'s web client into it"
            raise Invalid("empty_secret", f"{path} is empty", hint=hint)
    return by_provider


def icons(known: dict[str, providers.Provider], folder: Path) -> dict[str, bytes]:
    """The icons of the providers that have one, from their files.

    Raises:
        Invalid: as ``read_trusted``, or ``icon_too_large``.

    """
    files = {name: folder / provider.icon for name, provider in known.items() if provider.icon is not None}
    contents = {name: read_bytes(path, MAX_ICON + 1) for name, path in files.items()}
    for name, content in contents.items():
        if len(content) > MAX_ICON:
            raise Invalid("icon_too_large", f"{files[name]} has more than {MAX_ICON} bytes", hint="make it smaller")
    return contents


def explain(error: SshJitError) -> str:
    """The line, or two, that a terminal shows of an error."""
    cause = f" ({error.__cause__})" if error.__cause__ is not None else ""
    return f"ssh-jit-web: {error}{cause}" + (f"\nhint: {error.hint}" if error.hint else "")
