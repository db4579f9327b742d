"""Our own systemd units: where they stand, and how they are enabled, started and taken away.

The package brings the same files (below ``root`` in this program), at the places that its distribution uses. Where
there is no systemd, somebody has to start ``watch`` in another way, and is told so.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from sshjit_host.config import DEFAULT_PATH
from sshjit_host.errors import HostError
from sshjit_host.joining import journal
from sshjit_host.joining.journal import Entry
from sshjit_host.machine import files
from sshjit_host.machine.programs import Outcome, run
from sshjit_host.program import PACKAGED as PROGRAM_PACKAGED
from sshjit_host.program import UNITS, shipped

NAMES = ("ssh-jit-host.service",)
"""The units that ``join`` enables."""
PACKAGED = Path(UNITS)
OWN = Path("/etc/systemd/system")
WANTS = OWN / "multi-user.target.wants"
PROGRAM = "/usr/local/sbin/ssh-jit-host"
"""Where the joining line installs this program."""
BY_HAND = "there is no systemd here: have your own supervisor run `ssh-jit-host watch`, or cron `ssh-jit-host refresh`"


def has_systemd() -> bool:
    """Whether systemd runs this machine."""
    return Path("/run/systemd/system").is_dir() and shutil.which("systemctl") is not None


def text(name: str, config: Path) -> bytes:
    """A unit as it is shipped, with this program, and its ``host.json``, where they are."""
    data = shipped(f"{PACKAGED}/{name}")
    if data is None:
        raise HostError(f"this ssh-jit-host was built without {name}", hint="build it anew: hostconfig/build_pyz.py")
    data = data.replace(DEFAULT_PATH.encode("ascii"), str(config).encode("utf-8"))
    return data.replace(PROGRAM_PACKAGED.encode("ascii"), str(program()).encode("utf-8"))


def program() -> Path:
    """Where this program is."""
    return Path(sys.argv[0]).resolve() if os.access(sys.argv[0], os.X_OK) else Path(PROGRAM)


def plan() -> tuple[Entry, ...]:
    """The entries of the journal for what ``install`` makes."""
    if not has_systemd():
        return ()
    made = [OWN / name for name in NAMES if not (PACKAGED / name).exists()]
    return (
        *journal.folder(OWN),
        *journal.folder(WANTS),
        *(journal.file(path) for path in made),
        *(journal.file(WANTS / name) for name in NAMES),
    )


def install(config: Path, say: Callable[[str], None]) -> None:
    """Enable our units, which go by this ``host.json``, and start them."""
    if not has_systemd():
        say(BY_HAND)
        return
    if not WANTS.is_dir():
        files.folder(WANTS)
    for name in NAMES:
        place = PACKAGED / name
        if not place.exists():
            place = OWN / name
            files.write(place, text(name, config))
        files.link(WANTS / name, str(place))
    _systemctl("daemon-reload")
    for name in NAMES:
        _systemctl("restart", name)
        say(f"started {name}")


def restart(say: Callable[[str], None]) -> None:
    """Have our units take other settings, where they run."""
    for name in NAMES if has_systemd() else ():
        if is_active(name):
            _systemctl("restart", name)
            say(f"started {name} anew")


def stop(say: Callable[[str], None]) -> None:
    """Stop our units: nothing of ours may run while what it writes is taken away."""
    if not has_systemd():
        return
    for name in NAMES:
        if is_active(name):
            _systemctl("stop", name)
            say(f"stopped {name}")


def forget() -> None:
    """Tell systemd that files of ours are gone."""
    if has_systemd():
        _systemctl("daemon-reload")


def is_active(name: str) -> bool:
    """Whether a unit of ours runs."""
    return run("systemctl", "is-active", "--quiet", name).code == 0


def _systemctl(*words: str) -> Outcome:
    outcome = run("systemctl", *words)
    if outcome.code != 0:
        raise HostError(f"systemctl {' '.join(words)}: {outcome.output or f'status {outcome.code}'}")
    return outcome
