"""The systemd units that are shipped: systemd reads them without a remark, and what they start takes their words."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from demo.isolate import REPOSITORY
from sshjit_ca import __main__ as ca_program
from sshjit_host.joining import units
from sshjit_web import __main__ as web_program

_ON_SERVERS = REPOSITORY / "hostconfig/sshjit_host/root/usr/lib/systemd/system"
UNITS = sorted((*REPOSITORY.glob("*/systemd/*.service"), *_ON_SERVERS.glob("*.service")), key=lambda path: path.name)
EXPOSURE = 25
"""In tenths, the most that ``systemd-analyze security`` may find (0: none, 100: all there is)."""
MORE = {"ssh-jit-host-sessions": 33}
"""What ends the sessions of others sees their processes, and has control groups of its own."""
_STARTED = re.compile(r"^Exec(?:Start|StartPre|Stop|Reload)=(\S+)(.*)$", re.MULTILINE)
BIN = Path(sys.executable).parent


def analyze(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, check=False)


def test_there_is_one_for_every_program_that_stays() -> None:
    on_servers = ["ssh-jit-host", "ssh-jit-host-refresh", "ssh-jit-host-sessions"]
    names = ["ssh-jit-ca", *on_servers, "ssh-jit-notify", "ssh-jit-probe", "ssh-jit-web"]
    assert sorted(unit.stem for unit in UNITS) == names


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_has_nothing_to_say_about_it(unit: Path, tmp_path: Path) -> None:
    here = tmp_path / unit.name
    here.write_text(_STARTED.sub(lambda found: found[0].replace(found[1], "/bin/true"), unit.read_text()))
    done = analyze("verify", "--man=no", here)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")
    here.write_text(here.read_text().replace("NoNewPrivileges=", "NoNewPriviledges="))
    assert "'NoNewPriviledges'" in analyze("verify", "--man=no", here).stderr


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_none_that_is_started_again_is_given_up(unit: Path) -> None:
    """By itself systemd gives up at the sixth start within ten seconds, for good."""
    lines = unit.read_text().splitlines()
    restarts = any(line.startswith("Restart=") for line in lines)
    assert lines.count("StartLimitIntervalSec=0") == int(restarts)
    section = [line for line in lines if line.startswith("[") or line == "StartLimitIntervalSec=0"]
    assert not restarts or section[:2] == ["[Unit]", "StartLimitIntervalSec=0"]


STAYS = [unit for unit in UNITS if unit.stem in {"ssh-jit-ca", "ssh-jit-notify", "ssh-jit-web"}]


@pytest.mark.parametrize("unit", STAYS, ids=lambda unit: unit.stem)
def test_it_is_active_once_it_serves_and_started_again_only_where_that_may_help(unit: Path) -> None:
    """Tried by a booted systemd in ``tests/install``; the codes are those of both programs."""
    lines = unit.read_text().splitlines()
    never = sorted({ca_program.EXIT["invalid"], ca_program.EXIT["refused"]})
    assert ca_program.EXIT == web_program.EXIT
    for line in (
        "Type=notify",
        "Restart=on-failure",
        "StartLimitIntervalSec=0",
        f"RestartPreventExitStatus={' '.join(map(str, never))}",
    ):
        assert lines.count(line) == 1, line


TIMERS = sorted((*REPOSITORY.glob("*/systemd/*.timer"), *_ON_SERVERS.glob("*.timer")), key=lambda path: path.name)


def test_there_is_a_timer_for_the_probe_and_one_for_hosts_that_take_bundles_by_it() -> None:
    assert [timer.stem for timer in TIMERS] == ["ssh-jit-host-refresh", "ssh-jit-probe"]


@pytest.mark.parametrize("timer", TIMERS, ids=lambda timer: timer.stem)
def test_systemd_has_nothing_to_say_about_a_timer_and_its_unit(timer: Path, tmp_path: Path) -> None:
    unit = timer.with_suffix(".service")
    text = _STARTED.sub(lambda found: found[0].replace(found[1], "/bin/true"), unit.read_text())
    (tmp_path / unit.name).write_text(text)
    here = tmp_path / timer.name
    here.write_text(timer.read_text())
    done = analyze("verify", "--man=no", here, tmp_path / unit.name)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")
    misspelt = re.sub(r"=(daily|300s)$", "=dayly", timer.read_text(), count=1, flags=re.MULTILINE)
    here.write_text(misspelt)
    assert "dayly" in analyze("verify", "--man=no", here, tmp_path / unit.name).stderr


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_it_leaves_little_open(unit: Path) -> None:
    done = analyze("security", "--offline=true", f"--threshold={MORE.get(unit.stem, EXPOSURE)}", "--no-pager", unit)
    assert done.returncode == 0, done.stdout[-200:] + done.stderr


def test_one_that_writes_beside_another_ca_leaves_little_more_open(tmp_path: Path) -> None:
    """As ``join --beside`` makes it, where the owner's files are below root's home, and of another group."""
    unit = _ON_SERVERS / "ssh-jit-host.service"
    more = {"CapabilityBoundingSet=\n": f"CapabilityBoundingSet={units.CHOWN}\n", "Home=yes": "Home=read-only"}
    text = unit.read_text()
    for old, new in more.items():
        assert old in text
        text = text.replace(old, new)
    here = tmp_path / unit.name
    here.write_text(text)
    done = analyze("security", "--offline=true", "--threshold=27", "--no-pager", here)
    assert done.returncode == 0, done.stdout[-200:] + done.stderr


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_the_program_takes_the_words_that_it_is_started_with(unit: Path) -> None:
    (found,) = (found for found in _STARTED.finditer(unit.read_text()) if found[0].startswith("ExecStart="))
    program, words = Path(found[1]).name, found[2].split()
    done = subprocess.run([BIN / program, *words, "--help"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "usage:" in done.stdout
