"""Several ``ssh-jit`` of one person at once, signed out: one signs in, the others wait for it and use what it gets."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sshjit import wire
from sshjit_client.identity import provider_endpoints, sign_in
from sshjit_client.ssh import openssh
from sshjit_client.storage import file_locks, files, logins, paths
from sshjit_client.storage.logins import Session
from sshjit_client.storage.machine import Machine
from tests.support.client_server import ClientServer
from tests.support.waiting import wait_until
from tests.unit.client.conftest import Laptop
from tests.unit.client.odd_machines import read_only, run_on

MANY = 12
HELD_BROWSER = """
import pathlib, subprocess, sys, time
gate = pathlib.Path(sys.argv[1])
(gate / f"asked-{time.time_ns()}").touch()
while not (gate / "open").exists():
    time.sleep(0.05)
subprocess.run([*sys.argv[2:]], check=True)
"""
WAITING = "another ssh-jit of yours signs in (process "


class Gate:
    """A person who signs in only when the test lets them."""

    def __init__(self, laptop: Laptop, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        script = folder / "held.py"
        script.write_text(HELD_BROWSER)
        self.laptop = Laptop({**laptop.env, "BROWSER": f"{sys.executable} {script} {folder} {laptop.env['BROWSER']}"})

    @property
    def asked(self) -> int:
        """How many sign-ins have begun."""
        return len(list(self.folder.glob("asked-*")))

    def open(self) -> None:
        """Lets the person sign in, now and later."""
        (self.folder / "open").touch()


@pytest.fixture
def gate(laptop: Laptop, tmp_path: Path) -> Gate:
    return Gate(laptop, tmp_path / "gate")


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that are gone after the test, whatever became of it."""
    processes = list[subprocess.Popen[str]]()
    yield processes
    for process in processes:
        if process.poll() is None:
            process.kill()
        if process.stdout is not None and not process.stdout.closed:
            process.communicate()


def one_waits(process: subprocess.Popen[str]) -> str:
    """The first line of a process that waits for another one's sign-in."""
    assert process.stderr is not None
    return process.stderr.readline()


def test_many_connections_make_one_sign_in_and_one_request(
    gate: Gate, server: ClientServer, started: list[subprocess.Popen[str]]
) -> None:
    server.calls.clear()
    started += [gate.laptop.start("web1", f"number {n}") for n in range(MANY)]
    wait_until(lambda: gate.asked == 1, lambda: gate.asked)
    gate.open()
    answers = [process.communicate(timeout=120) for process in started]
    assert [out for out, _ in answers] == [f"deploy: number {n}\n" for n in range(MANY)], answers
    assert (gate.asked, sum(call == "POST /api/v1/login" for call in server.calls)) == (1, 1)
    assert len(server.requests()) == 1


def test_the_others_say_for_whom_they_wait(
    gate: Gate, server: ClientServer, started: list[subprocess.Popen[str]]
) -> None:
    first = gate.laptop.start("web1", "first")
    started.append(first)
    wait_until(lambda: gate.asked == 1, lambda: gate.asked)
    started += [gate.laptop.start("web1", "second"), gate.laptop.start("login")]
    for waiting in started[1:]:
        assert one_waits(waiting) == f"ssh-jit: {WAITING}{first.pid}); waiting for it\n"
    gate.open()
    assert [process.communicate(timeout=60)[0] for process in started] == ["deploy: first\n", "deploy: second\n", ""]
    assert [process.returncode for process in started] == [0, 0, 0]
    assert gate.asked == 1


def test_one_that_dies_while_it_signs_in_leaves_it_to_the_next(
    gate: Gate, server: ClientServer, started: list[subprocess.Popen[str]]
) -> None:
    started.append(gate.laptop.start("web1", "first"))
    wait_until(lambda: gate.asked == 1, lambda: gate.asked)
    started.append(gate.laptop.start("web1", "second"))
    assert WAITING in one_waits(started[1])
    started[0].send_signal(signal.SIGKILL)
    wait_until(lambda: gate.asked == 2, lambda: gate.asked)
    gate.open()
    assert started[1].communicate(timeout=60)[0] == "deploy: second\n"
    left = [path.name for path in (gate.laptop.state.parent).iterdir()]
    assert left == [gate.laptop.state.name], "what the dead one had begun is removed"


def test_who_waits_waits_as_long_as_each_sign_in_may_take(laptop: Laptop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of the test runs while somebody signs in, and after them somebody else."""
    laptop.run("login")
    machine, now, others = Machine.here(laptop.env), [0.0], iter(("202\n", ""))
    (session,) = [machine.session(time.time())]
    with (laptop.place / "test" / "sign-in.lock").open("r+") as held:
        held.write("101\n")
        held.flush()
        assert file_locks.take(held.fileno())
        lasts = sign_in.TIMEOUT + openssh.SIGNING + provider_endpoints.PATIENCE

        def passes(seconds: float) -> None:
            now[0] += seconds
            if now[0] % lasts < seconds:
                files.overwrite(held.fileno(), other) if (other := next(others)) else held.close()

        monkeypatch.setattr(time, "monotonic", lambda: now[0])
        monkeypatch.setattr(time, "sleep", passes)
        monkeypatch.setattr(sign_in, "_sign_in", lambda *_: session)
        assert sign_in.once(machine, sign_in.SignInOptions(), session) == session
    assert now[0] > 2 * lasts - 1


def test_the_next_one_signs_in_where_the_first_gives_up(
    gate: Gate, server: ClientServer, started: list[subprocess.Popen[str]]
) -> None:
    started.append(gate.laptop.start("web1", "first"))
    wait_until(lambda: gate.asked == 1, lambda: gate.asked)
    started.append(gate.laptop.start("web1", "second"))
    assert WAITING in one_waits(started[1])
    started[0].send_signal(signal.SIGINT)
    assert started[0].wait(30) == 130
    gate.open()
    assert started[1].communicate(timeout=60)[0] == "deploy: second\n"


def test_a_sign_in_beside_a_connection_does_not_take_its_key_away(
    laptop: Laptop, server: ClientServer, started: list[subprocess.Popen[str]]
) -> None:
    """The connection waits for an approval by the first sign-in, and goes on by it after the second one."""
    assert laptop.run("login").returncode == 0
    before = laptop.state
    started.append(laptop.start("--reason", "CHG-7", "db1", "true"))
    server.wait_for("GET /api/v1/requests/req-")
    assert laptop.run("login").returncode == 0
    assert laptop.state != before
    assert before.exists()
    server.decide(server.requests()[0])
    out, err = started[0].communicate(timeout=60)
    assert out == "postgres: true\n", err
    assert laptop.run("login").returncode == 0
    assert before.exists(), "its certificate is alive"
    for path in before.glob("open/*.conf"):
        path.unlink()
    assert laptop.run("login").returncode == 0
    assert not before.exists()


def test_no_sign_in_ever_has_the_key_of_another(
    laptop: Laptop, server: ClientServer, started: list[subprocess.Popen[str]]
) -> None:
    """Whatever is current while others sign in: its key is the one that its session is bound to."""
    laptop.run("login")
    started += [laptop.start("login", "--fresh") for _ in range(4)]
    looks = 0
    while any(process.poll() is None for process in started):
        session = logins.current(laptop.env, "test", time.time())
        assert session is not None
        if logins.hold(session):
            key = Path(f"{session.key}.pub").read_text().split()[:2]
            assert (" ".join(key), Path(session.key).parent) == (session.public, Path(session.folder))
            looks += 1
        for handle in Path("/proc/self/fd").iterdir():
            if leads_to(handle, session.folder):
                os.close(int(handle.name))
    assert looks > 10
    assert [process.wait() for process in started] == [0] * 4


def test_only_what_no_process_holds_is_removed(laptop: Laptop, server: ClientServer) -> None:
    laptop.run("login")
    session = logins.current(laptop.env, "test", time.time())
    assert session is not None
    logins.hold(session)
    laptop.run("login")
    assert Path(session.folder).exists()
    (held,) = [handle for handle in Path("/proc/self/fd").iterdir() if leads_to(handle, session.folder)]
    os.close(int(held.name))
    laptop.run("login")
    assert not Path(session.folder).exists()


def leads_to(handle: Path, folder: str) -> bool:
    """Whether an open file of ours is this folder; one may be closed meanwhile."""
    return os.path.realpath(handle) == folder


def test_the_sign_in_of_an_earlier_version_goes_on(laptop: Laptop, server: ClientServer) -> None:
    """An upgrade makes nobody sign in, or set up, again."""
    as_before(laptop)
    server.calls.clear()
    done = laptop.run("web1", "x", BROWSER="")
    assert (done.stdout, done.stderr) == ("deploy: x\n", "ssh-jit: you log in as deploy\n")
    assert "POST /api/v1/login" not in server.calls
    assert not [path for path in laptop.place.iterdir() if path.is_file()]
    assert {path.name for path in laptop.config.iterdir()} == {"installations"}


def test_the_settings_of_an_earlier_version_are_read_where_nothing_can_be_written(
    laptop: Laptop, server: ClientServer
) -> None:
    as_before(laptop)
    done = run_on(laptop, read_only(laptop.config), "web1", "x", BROWSER="")
    assert (done.stdout, done.returncode) == ("deploy: x\n", 0), done.stderr
    assert (laptop.config / "config.json").exists()


def as_before(laptop: Laptop) -> None:
    """Signs in, and puts everything where earlier versions had it."""
    assert laptop.run("login").returncode == 0
    login, settings = laptop.state, laptop.settings
    session = files.load(login / "session.json", Session)
    assert session is not None
    place = laptop.place
    for name in ("id_ed25519", "id_ed25519.pub"):
        (login / name).rename(place / name)
    record = {**wire.encode(session), "key": str(place / "id_ed25519")}
    del record["folder"]
    files.write(place / "session.json", json.dumps(record))
    (place / "open").mkdir()
    shutil.rmtree(place / settings.name)
    kept = Path(paths.lasting_places(laptop.env)[0], settings.name)
    for name in ("bundle.json", "revoked_host_keys"):
        (kept / name).rename(laptop.config / name)
    shutil.rmtree(kept)
    old = wire.encode(settings)
    del old["name"]
    files.write(laptop.config / "config.json", json.dumps(old))
    shutil.rmtree(laptop.config / "installations")
    (laptop.config / "default").unlink()
