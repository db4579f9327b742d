"""A power cut soon after ``init`` (T84): each file that it writes, missing, empty or cut in half.

``init``, ``serve`` and ``doctor`` each work, or say what to do; and what they say is done here, word for word.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sshjit_ca.keys import PURPOSES
from sshjit_ca.log.pinned_checkpoint import PinnedCheckpoint
from tests.support import warm_programs
from tests.support.ca_process import CaProcess, run_command
from tests.support.installation import Installation, make_key
from tests.support.issuer import serving
from tests.support.waiting import PATIENCE, wait_until


@pytest.fixture
def config(tmp_path: Path) -> Iterator[Path]:
    """A configuration whose CA was just made, and has not started."""
    with serving() as acme, serving() as partner:
        Installation(tmp_path, {"acme": acme, "partner": partner}, time=time.time()).stop()
        shutil.rmtree(tmp_path / "ca")
        (tmp_path / "ca").mkdir(mode=0o700)
        run_command(tmp_path / "ca.toml", "init")
        yield tmp_path / "ca.toml"


WRITTEN = [f"keys/{purpose}{half}" for purpose in PURPOSES for half in ("", ".pub")] + ["keys/first.json", "ca.db"]


def missing(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def start(config: Path) -> str:
    """Starts the CA and ends it; what it said if it does not start, else nothing."""
    running = CaProcess.start(config, config.with_name("admin.sock"))
    try:
        wait_until(lambda: running.process.poll() is not None or running.ready())
        return "" if running.process.poll() is None else running.log.read_text()
    finally:
        running.end()


def run(config: Path, command: str) -> subprocess.CompletedProcess[str]:
    return warm_programs.run(["--config", str(config), *command.split()], PATIENCE)


def test_this_is_all_that_init_writes(config: Path) -> None:
    home = config.with_name("ca")
    made = {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}
    assert made == set(WRITTEN)


@pytest.mark.parametrize("damage", [missing, empty, half])
@pytest.mark.parametrize("name", WRITTEN)
def test_t84_init_goes_on_where_it_was_cut_off(config: Path, name: str, damage: Callable[[Path], None]) -> None:
    damage(config.with_name("ca") / name)
    again = run(config, "init")
    derived = name.endswith(".pub")
    if derived and again.returncode == 2:
        assert "already contains keys" in again.stderr
    else:
        assert again.returncode == 0, again.stderr
    assert start(config) == ""
    assert "files: " not in run(config, "doctor").stderr
    for purpose in PURPOSES:
        key = config.with_name("ca") / "keys" / purpose
        shown = subprocess.run(["ssh-keygen", "-y", "-f", key], capture_output=True, text=True, check=True).stdout
        assert key.with_suffix(".pub").read_text().split() == shown.split()[:2]


@pytest.mark.parametrize("damage", [missing, empty, half])
@pytest.mark.parametrize("name", WRITTEN)
def test_t84_a_start_works_or_says_what_then_helps(config: Path, name: str, damage: Callable[[Path], None]) -> None:
    path = config.with_name("ca") / name
    damage(path)
    doctor = run(config, "doctor")
    assert "Traceback" not in doctor.stderr + doctor.stdout
    if path.suffix == ".pub":
        assert f"{path} is missing or damaged" in doctor.stdout
    said = start(config)
    if not said:
        return
    hint = said.partition("hint: ")[2]
    assert "accept-loss" not in hint or "before the first start ssh-jit-ca init" in hint
    remedy = "migrate" if hint.strip().endswith("ssh-jit-ca migrate") else "init"
    assert f"ssh-jit-ca {remedy}" in hint
    again = run(config, remedy)
    assert again.returncode == 0, again.stderr
    assert start(config) == ""


@pytest.mark.parametrize("damage", [missing, empty, half])
@pytest.mark.parametrize("name", [f"keys/{purpose}.pub" for purpose in PURPOSES])
def test_t84_public_halves_are_made_anew_at_any_start(config: Path, name: str, damage: Callable[[Path], None]) -> None:
    assert start(config) == ""
    path = config.with_name("ca") / name
    whole = path.read_bytes()
    damage(path)
    assert run(config, "log verify").returncode == 0, "what only reads takes it from the key"
    assert start(config) == ""
    assert path.read_bytes() == whole


@pytest.mark.parametrize("damage", [empty, half])
def test_t84_an_epoch_that_is_damaged_stops_the_ca_until_the_hint_is_followed(
    config: Path, damage: Callable[[Path], None]
) -> None:
    """An empty one counted as none ever: serials could have been given out twice."""
    assert start(config) == ""
    home = config.with_name("ca")
    before = PinnedCheckpoint(home).epoch()
    (home / "epoch").write_text("1234567\n")
    damage(home / "epoch")
    said = start(config)
    assert f"{home}/epoch is damaged" in said
    assert "restore --accept-loss" in said
    config.with_suffix(".log").unlink()
    assert "0 entries are lost" in run_command(config, "restore", "--accept-loss", "--reason", "a power cut")
    assert PinnedCheckpoint(home).epoch() > before + 900
    assert start(config) == ""


@pytest.mark.parametrize("damage", [empty, half])
def test_t84_a_clock_that_is_damaged_forgets_no_jump(config: Path, damage: Callable[[Path], None]) -> None:
    assert start(config) == ""
    path = config.with_name("ca") / "clock"
    damage(path)
    said = start(config)
    assert f"{path} is damaged" in said
    remedy = said.partition("hint: ")[2].strip().rpartition(": ")[2]
    assert remedy == f"rm {path}"
    subprocess.run(remedy.split(), check=True)
    config.with_suffix(".log").unlink()
    assert start(config) == ""


@pytest.mark.parametrize("damage", [missing, empty, half])
def test_t84_the_turns_of_the_keys_are_written_anew(config: Path, damage: Callable[[Path], None]) -> None:
    assert start(config) == ""
    path = config.with_name("ca") / "keys/turns.json"
    whole = path.read_bytes()
    damage(path)
    key = config.with_name("ca") / "keys/user_ca.pub"
    named = f"sign-emergency --login root --host web1 --key {key} --reason drill --no-database"
    refused = run(config, named)
    assert refused.returncode == 1
    assert "the CA writes it anew when it starts" in refused.stderr
    assert start(config) == ""
    assert path.read_bytes() == whole
    assert run(config, named).returncode == 0


@pytest.mark.parametrize("options", [(), ("--passphrase-file", "{home}/passphrase")])
@pytest.mark.parametrize("after", range(1, 9))
def test_t84_an_init_that_was_cut_off_is_gone_on_with(
    config: Path, after: int, options: tuple[str, ...], tmp_path: Path
) -> None:
    """Cut off after so many files; what it wrote stays as it is, and a second key of a purpose is never made."""
    (tmp_path / "passphrase").write_text("correct horse\n")
    (tmp_path / "passphrase").chmod(0o600)
    words = [word.format(home=tmp_path) for word in options]
    shutil.rmtree(tmp_path / "ca")
    (tmp_path / "ca").mkdir(mode=0o700)
    run_command(config, "init", *words)
    keys = tmp_path / "ca" / "keys"
    kept = {}
    for number, name in enumerate(WRITTEN):
        path = tmp_path / "ca" / name
        if number < after:
            kept[path] = path.read_bytes()
        else:
            path.unlink()
    run_command(config, "init", *words)
    assert {path: path.read_bytes() for path in kept} == kept
    assert sorted(path.name for path in keys.iterdir()) == sorted(
        [*PURPOSES, *(f"{purpose}.pub" for purpose in PURPOSES), "first.json"]
    )
    assert start(config) == ""


def test_t84_other_options_than_the_first_time_are_refused(config: Path, tmp_path: Path) -> None:
    """A key of an agent must not become a file because of a power cut, nor the opposite."""
    keys = tmp_path / "ca" / "keys"
    (keys / "first.json").unlink()
    (keys / "user_ca").unlink()
    said = run_command(config, "init", code=1)
    assert "took user_ca from elsewhere" in said
    assert "--user-ca REFERENCE" in said
    shutil.rmtree(keys)  # as it says
    run_command(config, "init")
    assert start(config) == ""


def test_t84_an_init_never_touches_a_ca_that_has_started(config: Path, tmp_path: Path) -> None:
    assert start(config) == ""
    for name in ("keys/first.json", "keys/user_ca", "keys/log.pub"):
        path = tmp_path / "ca" / name
        whole = path.read_bytes()
        path.unlink()
        assert "has started" in run_command(config, "init", code=2)
        assert not path.exists()
        path.write_bytes(whole)
        path.chmod(0o600)
    (tmp_path / "ca" / "ca.db").write_bytes(b"")
    assert "has started" in run_command(config, "init", code=2)


def test_t84_nor_one_whose_log_alone_says_that_it_has_started(config: Path, tmp_path: Path) -> None:
    assert start(config) == ""
    home = tmp_path / "ca"
    (home / "checkpoint").unlink()
    (home / "keys" / "first.json").unlink()
    before = {path: path.read_bytes() for path in (home / "keys").iterdir()}
    assert "has started" in run_command(config, "init", code=2)
    assert {path: path.read_bytes() for path in (home / "keys").iterdir()} == before


def test_t84_a_key_that_was_made_as_a_file_is_not_given_up_for_another(config: Path, tmp_path: Path) -> None:
    keys, other = tmp_path / "ca" / "keys", make_key(tmp_path / "other")
    (keys / "first.json").unlink()
    before = (keys / "user_ca").read_bytes()
    said = run_command(config, "init", "--user-ca", f"file:{other}", code=1)
    assert "took user_ca as a file; nothing was changed" in said
    assert "repeat it without --user-ca REFERENCE" in said
    assert (keys / "user_ca").read_bytes() == before
    assert not (keys / "first.json").exists()


def test_t84_a_whole_key_that_cannot_be_opened_is_not_made_anew(config: Path, tmp_path: Path) -> None:
    """It was encrypted the first time, and this time nobody said by what."""
    (tmp_path / "passphrase").write_text("correct horse\n")
    (tmp_path / "passphrase").chmod(0o600)
    shutil.rmtree(tmp_path / "ca")
    (tmp_path / "ca").mkdir(mode=0o700)
    run_command(config, "init", "--passphrase-file", str(tmp_path / "passphrase"))
    key = tmp_path / "ca" / "keys" / "user_ca"
    before = key.read_bytes()
    (tmp_path / "ca" / "keys" / "first.json").unlink()
    assert "is encrypted" in run_command(config, "init", code=1)
    assert key.read_bytes() == before
