"""Our own systemd units: where they stand, and how they are enabled, started and taken away.

The package brings the same files (below ``root`` in this program), at the places that its distribution uses. They fit a
host with the usual places; for another one a copy that fits stands in ``/etc``, which systemd prefers. Where there is
no systemd, somebody has to start the same commands in another way, and is told how.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from sshjit_host.config import DEFAULT_PATH, Config
from sshjit_host.errors import HostError
from sshjit_host.findings import Finding
from sshjit_host.joining import journal
from sshjit_host.joining.journal import Entry
from sshjit_host.machine import files
from sshjit_host.machine.programs import Outcome, run
from sshjit_host.openssh import beside, host_keys
from sshjit_host.program import PACKAGED as PROGRAM_PACKAGED
from sshjit_host.program import UNITS, shipped

WATCH, SESSIONS = "ssh-jit-host.service", "ssh-jit-host-sessions.service"
REFRESH, TIMER = "ssh-jit-host-refresh.service", "ssh-jit-host-refresh.timer"
TAKERS = (WATCH, TIMER)
"""Of these ``join`` enables one: it takes bundles."""
NAMES = (*TAKERS, SESSIONS)
"""The units that ``join`` enables."""
ALL = (*NAMES, REFRESH)
PACKAGED = Path(UNITS)
OWN = Path("/etc/systemd/system")
PROGRAM = "/usr/local/sbin/ssh-jit-host"
"""Where the joining line installs this program."""
_COMMANDS = {WATCH: "watch", REFRESH: "refresh", SESSIONS: "sessions"}
_HOMES = (Path("/home"), Path("/root"), Path("/run/user"))
"""What ``ProtectHome`` hides."""
CHOWN = "CAP_CHOWN"
"""What it takes to replace a file of another group than root's, and to leave it that group's."""

Say = Callable[[str], None]


def has_systemd() -> bool:
    """Whether systemd runs this machine."""
    return Path("/run/systemd/system").is_dir() and shutil.which("systemctl") is not None


def taker(config: Config) -> str:
    """The unit that takes bundles by these settings."""
    return TIMER if config.refresh_every else WATCH


def wants(name: str) -> Path:
    """The link by which a unit is enabled."""
    target = "timers" if name.endswith(".timer") else "multi-user"
    return OWN / f"{target}.target.wants" / name


def by_hand(name: str, config: Config) -> str:
    """How the command of a unit is run where there is no systemd: by the supervisor that is here, or by cron."""
    if name == TIMER:
        command = f"{program()} --config {config.path} {_COMMANDS[REFRESH]}"
        return f"there is no systemd here: have cron run `{command}` every {config.refresh_every} s"
    command = f"{program()} --config {config.path} {_COMMANDS[name]}"
    service = name.partition(".")[0]
    if Path("/run/openrc").is_dir():
        how = f"OpenRC: an /etc/init.d/{service} with supervisor=supervise-daemon, then rc-update add {service}"
    elif shutil.which("sv"):
        how = f"runit: an /etc/sv/{service}/run that execs it, and a link to that folder in /etc/service"
    elif shutil.which("s6-svc"):
        how = f"s6: a service folder {service} whose run execs it, then s6-svscanctl -a"
    else:
        how = "your own supervisor, or from cron: @reboot"
    return f"there is no systemd here: have it run for ever: `{command}` ({how})"


def text(name: str, config: Config) -> bytes:
    """A unit as it is shipped, but with this program, its ``host.json`` and the folders that it writes to here."""
    data = shipped(f"{PACKAGED}/{name}")
    if data is None:
        raise HostError(f"this ssh-jit-host was built without {name}", hint="build it anew: hostconfig/build_pyz.py")
    if name == TIMER:
        return _timer(data.decode("ascii"), config.refresh_every)
    unit = data.decode("ascii").replace(DEFAULT_PATH, str(config.path)).replace(PROGRAM_PACKAGED, str(program()))
    folders = written(name, config)
    usual = Path("/etc/ssh")
    more = [folder for folder in folders if usual != folder and usual not in folder.parents]
    paths = " ".join((str(usual), *(_quoted(folder) for folder in more)))
    unit = re.sub(r"(?m)^ReadWritePaths=.*$", lambda _: f"ReadWritePaths={paths}", unit)
    if any(home == folder or home in folder.parents for folder in more for home in _HOMES):
        unit = unit.replace("ProtectHome=yes", "ProtectHome=read-only")
    if name in (WATCH, REFRESH) and any(place.exists() and place.stat().st_gid for place in beside.places(config)):
        unit = re.sub(r"(?m)^CapabilityBoundingSet=$", f"CapabilityBoundingSet={CHOWN}", unit)
    if name == SESSIONS and config.run.parent == Path("/run"):
        unit = re.sub(r"(?m)^RuntimeDirectory=.*$", f"RuntimeDirectory={config.run.name}", unit)
    return unit.encode("utf-8")


def _timer(unit: str, seconds: int) -> bytes:
    """The timer with the time between two refreshes, and a tenth of that as its random part."""
    unit = re.sub(r"(?m)^OnUnitInactiveSec=.*$", f"OnUnitInactiveSec={seconds}s", unit)
    return re.sub(r"(?m)^RandomizedDelaySec=.*$", f"RandomizedDelaySec={seconds // 10}s", unit).encode("ascii")


def written(name: str, config: Config) -> tuple[Path, ...]:
    """The folders in which the command of a unit makes and replaces files, beside those that systemd gives it."""
    folders = [config.home]
    if name in (WATCH, REFRESH):
        keys = host_keys.read(config).offered if config.host_certificates else ()
        folders += [config.dropin.parent, *(key.certificate.parent for key in keys)]
        folders += [place.parent for place in beside.places(config)]
    elif config.run.parent != Path("/run"):
        folders.append(config.run)
    return tuple(dict.fromkeys(folders))


def _quoted(folder: Path) -> str:
    """A path as a word of a unit; one that is gone keeps nothing from starting."""
    name = str(folder).replace("%", "%%").replace("\\", "\\\\").replace('"', '\\"')
    return f'"-{name}"' if re.search(r"[\s\"'\\]", name) else f"-{name}"


def program() -> Path:
    """Where this program is."""
    return Path(sys.argv[0]).resolve() if os.access(sys.argv[0], os.X_OK) else Path(PROGRAM)


def plan() -> tuple[Entry, ...]:
    """The entries of the journal for what ``install`` makes."""
    if not has_systemd():
        return ()
    folders = [entry for place in (OWN, *(wants(name).parent for name in NAMES)) for entry in journal.folder(place)]
    return (
        *dict.fromkeys(folders),
        *(journal.file(OWN / name) for name in ALL),
        *(journal.file(wants(name)) for name in NAMES),
    )


def install(config: Config, say: Say, names: Iterable[str]) -> None:
    """Enable our units, which go by this ``host.json``, and start them; say how else, where there is no systemd."""
    if not has_systemd():
        for name in names:
            say(by_hand(name, config))
        return
    for name in names:
        if not wants(name).parent.is_dir():
            files.folder(wants(name).parent)
        if name == TIMER:
            _written(REFRESH, config, say)
        files.link(wants(name), str(_written(name, config, say)))
    _systemctl("daemon-reload")
    for name in names:
        _systemctl("restart", name)
        say(f"started {name}")


def _written(name: str, config: Config, say: Say) -> Path:
    """Where the unit stands that fits this host: the package's, or else our own, which is written."""
    unit, own = text(name, config), OWN / name
    if files.read(PACKAGED / name) == unit:
        return PACKAGED / name
    there = files.read(own)
    if files.write(own, unit) and there is not None:
        say(f"wrote {own} anew: your own changes belong into {own}.d/local.conf, which stays")
    return own


def change(config: Config, say: Say) -> None:
    """Have the units that are enabled go by these settings; another one than before may take bundles now."""
    before = enabled()
    after = tuple(taker(config) if name in TAKERS else name for name in before)
    if not before:
        return
    install(config, say, after)
    for name in before:
        if name not in after:
            stop(name, say)
            for place in (wants(name), OWN / name, *((OWN / REFRESH,) if name == TIMER else ())):
                files.remove(place)
            forget()


def restart(say: Say) -> None:
    """Have our units go by what their files say now, where they run; one that is not enabled takes no bundles."""
    forget()
    names = enabled()
    ran = tuple(name for name in NAMES if has_systemd() and is_active(name))
    for name in ran:
        if name in TAKERS and name not in names:
            stop(name, say)
    for name in names:
        if name in ran or (name in TAKERS and set(TAKERS) & set(ran)):
            _systemctl("restart", name)
            say(f"started {name} anew")


def enabled() -> tuple[str, ...]:
    """Those of our units that are to run."""
    return tuple(name for name in NAMES if has_systemd() and wants(name).is_symlink())


def stop(name: str, say: Say) -> None:
    """Stop a unit of ours: it may not run while what it needs is taken away."""
    if has_systemd() and is_active(name):
        _systemctl("stop", name)
        say(f"stopped {name}")


def forget() -> None:
    """Tell systemd that files of ours are gone."""
    if has_systemd():
        _systemctl("daemon-reload")


def is_active(name: str) -> bool:
    """Whether a unit of ours runs."""
    return run("systemctl", "is-active", "--quiet", name).code == 0


def findings() -> Iterator[Finding]:
    """That the unit that takes bundles runs, where it is enabled. Without one, the age of the bundle shows it."""
    for name in enabled():
        if name in TAKERS and not is_active(name):
            what = f"{name} does not run, so that this host hears of no revocations"
            yield Finding("bad", what, f"systemctl start {name}")


def _systemctl(*words: str) -> Outcome:
    outcome = run("systemctl", *words)
    if outcome.code != 0:
        raise HostError(f"systemctl {' '.join(words)}: {outcome.output or f'status {outcome.code}'}")
    return outcome
