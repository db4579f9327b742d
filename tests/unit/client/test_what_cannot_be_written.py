"""Where something cannot be kept in its place, connections go on, and what is so is said."""

from __future__ import annotations

import os
import re
import shlex
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from sshjit.errors import Invalid
from sshjit_client.storage import paths, settings
from tests.support.client_server import ClientServer
from tests.unit.client.conftest import Laptop
from tests.unit.client.odd_machines import full, read_only, run_on


def stale(laptop: Laptop) -> Path:
    """Makes the kept bundle old enough that the server is asked for a newer one; its file."""
    (path,) = Path(paths.lasting_places(laptop.env)[0]).glob("*/bundle.json")
    os.utime(path, (0, 0))
    return path


def test_read_only_settings_stop_no_connection(laptop: Laptop, server: ClientServer) -> None:
    laptop.run("login")
    stale(laptop)
    done = run_on(laptop, read_only(laptop.config), "web1", "x")
    assert (done.stdout, done.stderr) == ("deploy: x\n", "ssh-jit: you log in as deploy\n")


def test_a_read_only_home_stops_no_connection(laptop: Laptop, server: ClientServer) -> None:
    """The bundle is kept in the runtime folder then, and asked for no more often than elsewhere."""
    laptop.run("login")
    path = stale(laptop)
    done = run_on(laptop, read_only(Path(laptop.env["HOME"])), "web1", "x")
    assert done.stdout == "deploy: x\n", done.stderr
    elsewhere = f"{laptop.place}/test instead"
    said = f"ssh-jit: can't write to {path.parent}: Read-only file system; using {elsewhere}"
    assert said in done.stderr.splitlines()
    server.calls.clear()
    again = run_on(laptop, read_only(Path(laptop.env["HOME"])), "guest@web1", "x")
    assert ("GET /bundle" in server.calls, "can't write" in again.stderr) == (False, False)


def test_a_full_runtime_folder_stops_no_connection(laptop: Laptop, server: ClientServer) -> None:
    laptop.run("login")
    runtime, cache = laptop.place.parent, Path(laptop.env["HOME"], ".cache", "ssh-jit")
    done = run_on(laptop, full(runtime), "web1", "x", BROWSER="")
    assert done.stdout == "deploy: x\n", done.stderr
    assert re.search(
        rf"can't write to {laptop.state}: No space left on device; using {cache}/test/logins/", done.stderr
    )
    server.calls.clear()
    again = run_on(laptop, full(runtime), "web1", "again", BROWSER="")
    assert (again.stdout, again.stderr, server.calls) == ("deploy: again\n", "", [])


def test_one_signs_in_where_the_runtime_folder_is_full(laptop: Laptop, server: ClientServer) -> None:
    runtime, cache = laptop.place.parent, Path(laptop.env["HOME"], ".cache", "ssh-jit")
    laptop.run("login")
    laptop.run("logout")
    done = run_on(laptop, full(runtime), "web1", "x")
    assert done.stdout == "deploy: x\n", done.stderr
    assert f"can't write to {laptop.place}: No space left on device; using {cache} instead" in done.stderr
    assert laptop.run("whoami").returncode == 0
    assert laptop.run("login").returncode == 0
    assert not (cache / "test" / "current").is_symlink(), "the newer sign-in is in the runtime folder again"


def test_a_pipe_of_f_is_read_once_where_the_runtime_folder_is_full(laptop: Laptop, server: ClientServer) -> None:
    """What it said is kept for ssh, which reads it after us: in the cache then, and the person hears it."""
    laptop.run("login")
    runtime, cache = laptop.place.parent, Path(laptop.env["HOME"], ".cache", "ssh-jit")
    line = f"{sys.executable} -m sshjit_client -F <(echo 'Host w'; echo '    HostName web1') w x"
    script = f"{full(runtime)} && exec bash -c {shlex.quote(line)}"
    for _ in ("drawn", "alive"):
        done = subprocess.run(
            ["unshare", "-rm", "sh", "-c", script], env=laptop.env, capture_output=True, text=True, check=False
        )
        assert done.stdout == "deploy: x\n", done.stderr
        scratch = f"{laptop.place}/.scratch: No space left on device; using {cache}/.scratch instead"
        assert f"ssh-jit: can't write to {scratch}\n" in done.stderr


def test_logind_takes_the_runtime_folder_away(laptop: Laptop, server: ClientServer) -> None:
    laptop.run("web1", "x")
    runtime = laptop.place.parent
    gone = runtime.with_name("removed")
    runtime.rename(gone)
    done = laptop.run("whoami")
    assert done.returncode == 7
    assert done.stderr.splitlines() == [
        f"ssh-jit: you are not signed in: {runtime}, in which sign-ins are kept, is gone or open to others",
        "hint: ssh-jit login",
    ]
    again = laptop.run("web1", "x")
    cache = f"{laptop.env['HOME']}/.cache/ssh-jit"
    assert again.stdout == "deploy: x\n", again.stderr
    assert f"ssh-jit: $XDG_RUNTIME_DIR ({runtime}) is gone; this sign-in is kept in {cache}\n" in again.stderr
    assert not runtime.exists()


def test_without_a_runtime_folder_the_cache_is_used_and_closed(laptop: Laptop, server: ClientServer) -> None:
    bare = Laptop({name: value for name, value in laptop.env.items() if name != "XDG_RUNTIME_DIR"})
    assert bare.run("web1", "x").stdout == "deploy: x\n"
    assert bare.place == Path(laptop.env["HOME"], ".cache", "ssh-jit")
    inside = [bare.place, *(path for path in bare.place.rglob("*") if path.is_dir() and not path.is_symlink())]
    assert {stat.S_IMODE(path.stat().st_mode) for path in inside} == {0o700}
    assert bare.run("web1", "x").stderr == ""


def test_without_a_home_there_is_a_folder_of_ours_and_a_word_about_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "nowhere")
    environ = {"TMPDIR": str(tmp_path)}
    assert paths.places(environ) == [str(tmp_path / f"ssh-jit-{os.getuid()}")]
    with pytest.raises(Invalid, match="not set up") as refused:
        settings.chosen(environ, "")
    assert refused.value.hint.startswith("set HOME or XDG_CONFIG_HOME; then ssh-jit setup URL")


@pytest.mark.parametrize("closed", ["<&-", "<&- >&- 2>&-"])
def test_closed_standard_streams_are_no_traceback(laptop: Laptop, server: ClientServer, closed: str) -> None:
    for words in (("web1", "x"), ("web1", "x"), ("whoami",), ("requests",)):
        command = [sys.executable, "-m", "sshjit_client", *words]
        done = subprocess.run(
            ["sh", "-c", f'"$@" {closed}; echo $?', "sh", *command],
            env=laptop.env,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert done.stdout.splitlines()[-1] == "0", done
        assert "Traceback" not in done.stderr


def test_the_files_of_a_sign_in_are_private_wherever_they_are(laptop: Laptop, server: ClientServer) -> None:
    laptop.run("web1", "x")
    roots = (laptop.place, Path(paths.lasting_places(laptop.env)[0]), laptop.config)
    written = [path for root in roots for path in root.rglob("*") if path.is_file() and path.suffix != ".pub"]
    assert len(written) >= 8
    assert {stat.S_IMODE(path.stat().st_mode) for path in written} == {0o600}
