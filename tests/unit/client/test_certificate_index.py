"""File names of the index, and what counts as alive."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sshjit_client.ssh import certificate_index, connection_args
from sshjit_client.storage import paths

WORDS = st.text(max_size=60)
ASKS = st.tuples(WORDS, WORDS, WORDS, WORDS, WORDS, WORDS)


@given(ASKS)
def test_every_ask_has_a_safe_file_name(ask: tuple[str, ...]) -> None:
    name = certificate_index.name_of(*ask)
    assert re.fullmatch(r"[a-z0-9._%+=-]{1,200}", name)
    assert name not in (".", "..")


@given(ASKS, ASKS)
def test_two_asks_never_share_a_name(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert (certificate_index.name_of(*one) == certificate_index.name_of(*other)) == (one == other)


@pytest.mark.parametrize(
    "host", ["../../etc/passwd", "web1/../x", "a\0b", "-oProxyCommand=x", "WEB1", "\udcff", "*", ""]
)
def test_hostile_hosts_stay_in_their_folder(host: str) -> None:
    name = certificate_index.name_of(host, "", "shell", "", "")
    assert "/" not in name
    assert "\0" not in name
    assert name != certificate_index.name_of(host.lower() + "x", "", "shell", "", "")


WAYS = (
    ["-J", "gate"],
    ["-J", "deploy@gate"],
    ["-J", "gate:2222"],
    ["-J", "gate,inner"],
    ["-J", "none"],
    ["-o", "ProxyCommand=nc %h %p"],
    ["-o", "HostName=10.0.0.5"],
    ["-o", "HostKeyAlias=web2"],
    ["-o", "IdentityAgent=none"],
    ["-o", "HostKeyAlgorithms=ssh-ed25519"],
    ["-o", "RevokedHostKeys=/x"],
    ["-o", "GlobalKnownHostsFile=/x"],
    ["-o", "Tag=lab"],
    ["-p", "2222"],
)


def test_two_ways_to_one_host_never_share_a_name() -> None:
    """What is written by one would be used by the other: another host's address, or no certificate on the way."""
    names = [certificate_index.name_for(connection_args.read([*words, "web1"])) for words in ([], *WAYS)]
    assert len(set(names)) == len(names)
    assert certificate_index.name_for(connection_args.read(["ssh://web1:2222"])) == names[-1]
    assert certificate_index.name_for(connection_args.read(["-oproxyjump gate", "web1"])) == names[1]
    assert certificate_index.name_for(connection_args.read(["-v", "-o", "ServerAliveInterval=5", "web1"])) == names[0]


def test_one_whose_way_is_over_is_not_alive(tmp_path: Path) -> None:
    """The certificate of a host on the way may end, be given back or be revoked before that of the host behind it."""
    state, now = tmp_path / "state", int(time.time())
    gate = entry(state, ["gate"], f"{certificate_index.HEAD}{now + 60}\n")
    rest = f"# ssh-jit typed -\n# forwards nothing by x\n{certificate_index.THROUGH}{gate}\nHost web1\n# through /x\n"
    path = entry(state, ["web1"], f"{certificate_index.HEAD}{now + 60}\n{rest}")
    assert certificate_index.through(str(path)) == [str(gate)]
    args = connection_args.read(["web1"])
    assert certificate_index.live_config(args, [str(state)]) == str(path)
    gate.write_text(f"{certificate_index.HEAD}{now + certificate_index.SPARE - 1}\n")
    assert certificate_index.live_config(args, [str(state)]) == ""
    gate.unlink()
    assert certificate_index.live_config(args, [str(state)]) == ""


def test_long_commands_are_told_apart_by_their_end() -> None:
    one, other = ("x" * 900 + end for end in "ab")
    names = {certificate_index.name_of("web1", "", "command", command, "") for command in (one, other)}
    assert len(names) == 2
    assert max(map(len, names)) <= 200


def entry(state: Path, words: list[str], first: str) -> Path:
    state.mkdir(mode=0o700, exist_ok=True)
    (state / "open").mkdir(exist_ok=True)
    path = state / "open" / f"{certificate_index.name_for(connection_args.read(words))}.conf"
    path.write_text(first)
    return path


def signed_in(place: Path, name: str = "lab", login: str = "abc") -> Path:
    """The folder of the current sign-in to an installation, in this place."""
    folder = place / name / "logins" / login
    folder.mkdir(mode=0o700, parents=True)
    place.chmod(0o700)
    (place / name / "current").symlink_to(f"logins/{login}")
    return folder


def test_alive_is_what_lives_longer_than_the_spare(tmp_path: Path) -> None:
    state, words, now = tmp_path / "state", ["web1"], int(time.time())
    path = entry(state, words, f"{certificate_index.HEAD}{now + 60}\n")
    assert certificate_index.live_config(connection_args.read(words), [str(state)]) == str(path)
    assert certificate_index.live_config(connection_args.read(["db1"]), [str(state)]) == ""
    assert certificate_index.live_config(connection_args.read(["-l", "root", "web1"]), [str(state)]) == ""
    assert certificate_index.live_config(connection_args.read(["-F", "other", "web1"]), [str(state)]) == ""
    entry(state, words, f"{certificate_index.HEAD}{now + certificate_index.SPARE - 1}\n")
    assert certificate_index.live_config(connection_args.read(words), [str(state)]) == ""


@pytest.mark.parametrize(
    "reason",
    ["CHG-7", "\U0001f469\u200d\U0001f4bb looks", "\u0646\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "x" * 500],
)
def test_a_reason_that_is_typed_again_is_known_again(tmp_path: Path, reason: str) -> None:
    """With its joiners too, which cannot be seen: else every connection would ask the server."""
    state, now = tmp_path / "state", int(time.time())
    args = connection_args.read(["--reason", reason, "web1"])
    lines = f"{certificate_index.HEAD}{now + 60}\n{certificate_index.typed_line(args, reason)}\n"
    path = entry(state, ["web1"], lines)
    assert certificate_index.live_config(args, [str(state)]) == str(path)
    assert certificate_index.live_config(connection_args.read(["--reason", "other", "web1"]), [str(state)]) == ""


@pytest.mark.parametrize("reason", ["fix\tthe db", "fix\nthe db ", "fix\u00a0the db"])
def test_a_reason_that_was_pasted_with_other_blanks_is_known_again(tmp_path: Path, reason: str) -> None:
    state, now = tmp_path / "state", int(time.time())
    args = connection_args.read(["--reason", reason, "web1"])
    lines = f"{certificate_index.HEAD}{now + 60}\n{certificate_index.typed_line(args, 'fix the db')}\n"
    path = entry(state, ["web1"], lines)
    assert certificate_index.live_config(args, [str(state)]) == str(path)


@pytest.mark.parametrize("first", ["", "# ssh-jit until\n", "# ssh-jit until x\n", "# ssh-jit until -1\n", "Host *\n"])
def test_a_damaged_entry_is_not_alive(tmp_path: Path, first: str) -> None:
    entry(tmp_path / "state", ["web1"], first)
    assert certificate_index.live_config(connection_args.read(["web1"]), [str(tmp_path / "state")]) == ""


def test_a_folder_that_others_can_enter_or_a_link_is_not_believed(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    login = signed_in(tmp_path / ".cache" / "ssh-jit")
    assert paths.login_folders(environ, "lab") == [str(login)]
    (tmp_path / ".cache").rename(tmp_path / "theirs")
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "ssh-jit").symlink_to(tmp_path / "theirs" / "ssh-jit")
    assert paths.login_folders(environ, "lab") == []
    (tmp_path / ".cache" / "ssh-jit").unlink()
    (tmp_path / "theirs" / "ssh-jit").rename(tmp_path / ".cache" / "ssh-jit")
    assert paths.login_folders(environ, "lab") == [str(login)]
    (tmp_path / ".cache" / "ssh-jit").chmod(0o750)
    assert paths.login_folders(environ, "lab") == []


@pytest.mark.parametrize("installations", [("lab",), ("lab", "work")])
def test_the_fast_path_loads_nothing_heavy(tmp_path: Path, installations: tuple[str, ...]) -> None:
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    login = signed_in(runtime / "ssh-jit")
    entry(login, ["web1"], f"{certificate_index.HEAD}{int(time.time()) + 60}\n")
    settings = tmp_path / "config" / "ssh-jit" / "installations"
    settings.mkdir(parents=True)
    for name in installations:
        (settings / f"{name}.json").touch()
    hosts = tmp_path / "state" / "ssh-jit" / "lab" / "hosts"
    hosts.parent.mkdir(parents=True)
    hosts.write_text("web1\n")
    program = (
        "import sys, os; before = set(sys.modules); os.execve = lambda *_: sys.exit(' '.join(sorted("
        "set(sys.modules) - before)) or 'nothing'); sys.argv = ['ssh-jit', 'web1'];"
        "from sshjit_client.__main__ import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", program],
        env={
            **os.environ,
            "XDG_RUNTIME_DIR": str(runtime),
            "XDG_CONFIG_HOME": str(tmp_path / "config"),
            "XDG_STATE_HOME": str(tmp_path / "state"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    ours = {
        "sshjit_client",
        *(f"sshjit_client.{name}" for name in ("__main__", "ssh", "storage")),
        *(f"sshjit_client.{name}" for name in ("ssh.certificate_index", "ssh.connection_args")),
        *(f"sshjit_client.{name}" for name in ("ssh.person_file", "ssh.program", "storage.paths")),
    }
    assert set(done.stderr.split()) <= ours | {"__future__"}
    assert ours <= set(done.stderr.split())
