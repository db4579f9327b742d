"""How this machine's sshd is made to read its configuration again, found out each time.

Whatever watches over sshd is asked to do it, by its own command; a daemon that nobody watches over gets SIGHUP. A sshd
that is started for each connection reads its configuration then. sshd dies of a reload with a configuration that it
refuses, so it is asked first (``sshd -t``), and a bare daemon is seen to listen again afterwards.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sshjit_host.config import AUTO, Config
from sshjit_host.errors import HostError, SshdError
from sshjit_host.machine.programs import run
from sshjit_host.openssh import effective

LOADED = "loaded"
"""The file in the host's home that says that sshd goes by our drop-in."""
PATIENCE = 10
"""Seconds within which a bare daemon must listen again."""
_NAMES = ("ssh", "sshd", "openssh")
"""What distributions call the service."""
_RUNIT = ("/etc/service", "/var/service", "/service", "/run/runit/service", "/etc/runit/runsvdir/current")
_S6 = ("/run/service", "/run/s6-rc/servicedirs", "/run/s6/services", "/var/run/s6/services", "/service")
_LISTENING = "0A"
"""The state of a socket in ``/proc/net/tcp`` (linux/tcp_states.h)."""


@dataclass(frozen=True)
class Way:
    """How to reload: ``command``, or SIGHUP to ``pid``; neither, if there is nothing to do. ``what`` is for people."""

    what: str
    command: tuple[str, ...] = ()
    pid: int = 0


def reload(config: Config) -> str:
    """Have sshd read its configuration again; what was done, for people.

    Raises ``SshdError`` if sshd refuses its configuration, ``HostError`` if it could not be told.
    """
    if config.reload is None:
        return "sshd must be reloaded to take its new configuration"
    checked = run(config.sshd, "-t", "-f", config.sshd_config)
    if checked.code != 0:
        raise SshdError(f"sshd was not reloaded: {effective.complaint(checked)}")
    way = Way("", command=config.reload) if config.reload != AUTO else find(config)
    if way is None:
        others = tuple(pid for pid in _processes() if _is_listener(pid))
        if not others:
            return "no sshd runs here; it reads its configuration when it is started"
        raise HostError(
            f"sshd runs (process {others[0]}), and not with {config.sshd_config}: how it is reloaded was not found out",
            hint='say it in host.json: "reload": ["/path/of/command", "argument"]',
        )
    if way.command:
        outcome = run(*way.command)
        if outcome.code != 0:
            raise HostError(f"sshd could not be reloaded: {outcome.output or f'status {outcome.code}'}")
    elif way.pid:
        _hang_up(way.pid)
    return f"reloaded sshd ({way.what})" if way.what else "reloaded sshd"


def find(config: Config) -> Way | None:
    """How sshd is reloaded here; ``None`` if no running sshd is found."""
    for ways in (_systemd(), _openrc(), _runit(), _s6(), _bare(config)):
        for way in ways:
            return way
    return None


def _systemd() -> Iterator[Way]:
    systemctl = shutil.which("systemctl")
    if not systemctl or not Path("/run/systemd/system").is_dir():
        return
    active = {unit for name in _NAMES for unit in (f"{name}.service", f"{name}.socket") if _is_active(systemctl, unit)}
    for name in _NAMES:
        service, by_socket = f"{name}.service", f"{name}.socket" in active
        if service in active and by_socket:
            # A reload would end it: it cannot listen anew where systemd listens. Its sessions go on, as with a reload.
            yield Way(
                f"systemd, {service}, started again since {name}.socket starts it", (systemctl, "restart", service)
            )
        elif service in active:
            yield Way(f"systemd, {service}", (systemctl, "reload", service))
    for name in _NAMES:
        if f"{name}.socket" in active:
            yield Way(f"systemd, {name}.socket: the next connection starts it with its new configuration")


def _is_active(systemctl: str, unit: str) -> bool:
    return run(systemctl, "is-active", "--quiet", unit).code == 0


def _openrc() -> Iterator[Way]:
    command = shutil.which("rc-service")
    if not command or not Path("/run/openrc").is_dir():
        return
    for name in _NAMES:
        if run(command, "--exists", name).code == 0 and run(command, name, "status").code == 0:
            yield Way(f"OpenRC, {name}", (command, name, "reload"))


def _runit() -> Iterator[Way]:
    command = shutil.which("sv")
    for folder in _services(_RUNIT, "supervise/stat") if command else ():
        if run(str(command), "status", folder).output.startswith("run:"):
            yield Way(f"runit, {folder}", (str(command), "hup", str(folder)))


def _s6() -> Iterator[Way]:
    command = shutil.which("s6-svc")
    for folder in _services(_S6, "supervise/control") if command else ():
        if run("s6-svstat", "-o", "up", folder).output == "true":
            yield Way(f"s6, {folder}", (str(command), "-h", str(folder)))


def _services(places: tuple[str, ...], mark: str) -> Iterator[Path]:
    for place in places:
        for name in _NAMES:
            if Path(place, name, mark).exists():
                yield Path(place, name)


# ------------------------------------------------------------------------------------------------- a bare daemon


def _bare(config: Config) -> Iterator[Way]:
    for pid in _candidates(config):
        if _is_listener(pid, config) and _listening(pid):
            yield Way(f"process {pid}", pid=pid)


def _candidates(config: Config) -> Iterator[int]:
    """The process that sshd's file names, if there is one, and then all others."""
    try:
        named = Path(effective.settings(config).value("PidFile")).read_text(encoding="ascii").strip()
    except (effective.Refused, OSError, ValueError):
        named = ""
    if named.isdigit():
        yield int(named)
    yield from _processes()


def _processes() -> list[int]:
    return sorted(int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _is_listener(pid: int, config: Config | None = None) -> bool:
    """Whether this is an sshd in the same namespaces as we are that waits for connections, with our file of settings.

    A session's process may listen too, for a forwarded port; the title tells them apart (OpenSSH 8.2 and newer).
    """
    place = Path("/proc", str(pid))
    try:
        if (place / "exe").readlink().name.partition(" ")[0] != "sshd":
            return False
        if any(_namespace(place, name) != _namespace(Path("/proc/self"), name) for name in ("mnt", "net")):
            return False
        words = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        return False
    if "[listener]" not in words:
        return False
    named = re.search(r" -f ?(\S+)", words)
    return config is None or Path(named.group(1) if named else "/etc/ssh/sshd_config") == config.sshd_config


def _namespace(process: Path, name: str) -> str:
    return str((process / "ns" / name).readlink())


def _listening(pid: int) -> frozenset[str]:
    """The sockets (inodes) by which a process waits for connections."""
    place = Path("/proc", str(pid))
    waiting = set()
    for name in ("tcp", "tcp6"):
        try:
            rows = (place / "net" / name).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        waiting |= {row.split()[9] for row in rows if row.split()[3] == _LISTENING}
    held = set()
    try:
        for entry in (place / "fd").iterdir():
            target = str(entry.readlink())
            if target.startswith("socket:["):
                held.add(target[8:-1])
    except OSError:
        return frozenset()
    return frozenset(waiting & held)


def _hang_up(pid: int) -> None:
    before = _listening(pid)
    try:
        os.kill(pid, signal.SIGHUP)
    except OSError as error:
        raise HostError(f"sshd (process {pid}) cannot be told to reload: {error.strerror}") from None
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        now = _listening(pid)
        if now and not now & before:
            return
        if not Path("/proc", str(pid)).exists():
            raise SshdError(f"sshd (process {pid}) ended when it was told to reload", hint="start it again")
        time.sleep(0.02)
    raise HostError(f"sshd (process {pid}) was told to reload, and still listens as before")
