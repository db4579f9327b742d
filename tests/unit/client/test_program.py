"""Which ssh is run, and what is read of the OpenSSH programs: each reason to pass one over, by itself."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sshjit.errors import Failed
from sshjit_client.ssh import openssh, own_known_hosts, program


def executable(path: Path, text: str = "#!/bin/sh\n") -> Path:
    """A program that can be run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def found(*folders: Path | str, passed: tuple[str, ...] = ()) -> str:
    """What is found in these folders of ``PATH``."""
    return program.find({"PATH": os.pathsep.join(map(str, folders))}, passed)


@pytest.fixture
def real(tmp_path: Path) -> Path:
    """An ssh that nothing is wrong with."""
    return executable(tmp_path / "real" / "ssh")


@pytest.mark.parametrize("kind", ["nothing", "folder", "unexecutable", "ourselves", "another ssh-jit", "passed"])
def test_what_is_no_ssh_to_run_is_passed_over(
    tmp_path: Path, real: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, own = tmp_path / "first" / "ssh", executable(tmp_path / "tool")
    first.parent.mkdir()
    monkeypatch.setattr(sys, "argv", [str(own)])
    match kind:
        case "folder":
            first.mkdir()
        case "unexecutable":
            executable(first).chmod(0o644)
        case "ourselves":
            first.symlink_to(own)
        case "another ssh-jit":
            first.symlink_to(executable(tmp_path / "elsewhere" / "ssh-jit"))
        case "passed":
            executable(first)
    passed = (str(first),) if kind == "passed" else ()
    assert found(first.parent, real.parent, passed=passed) == str(real)
    assert found(first.parent, passed=passed) == ""


def test_the_first_of_path_counts_and_an_empty_part_is_the_current_folder(
    tmp_path: Path, real: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = executable(tmp_path / "other" / "ssh")
    assert found(other.parent, real.parent) == str(other)
    monkeypatch.chdir(real.parent)
    assert found("", other.parent) == os.path.join(".", "ssh")  # noqa: PTH118  # what PATH says, letter by letter
    monkeypatch.setattr(os, "defpath", str(other.parent))
    assert program.find({}) == str(other)


def test_the_words_that_came_back_pass_over_what_they_were_started_with(
    real: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long they are, and what else is in the variable counts for nothing."""
    other = executable(tmp_path / "other" / "ssh")
    monkeypatch.setenv("PATH", f"{real.parent}{os.pathsep}{other.parent}")
    for words in (["web1", "true"], ["web1", "x" * 5000]):
        monkeypatch.setattr(sys, "argv", ["ssh-jit", *words])
        monkeypatch.delenv(program.STARTED, raising=False)
        path, environ = program.command(words)
        assert path == str(real)
        monkeypatch.setenv(program.STARTED, environ[program.STARTED])
        assert program.command(words)[0] == str(other), "the first one has led back to us"
    for odd, deeper in (("", 1), ("x\x1f\x1fweb1", 1), ("٣\x1f\x1fweb1", 1), ("1\x1f\x1f", 2)):
        monkeypatch.setenv(program.STARTED, odd)
        path, environ = program.command(["-G", "web1"])
        assert (path, environ[program.STARTED].split("\x1f")[0]) == (str(real), str(deeper))
    monkeypatch.setattr(sys, "argv", ["ssh-jit"])
    monkeypatch.setenv(program.STARTED, f"1\x1f{real}")
    assert program.command(["-G", "web1"])[0] == str(real), "no words have come back"


def test_connections_that_start_one_another_end(real: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(real.parent))
    monkeypatch.setattr(sys, "argv", ["ssh-jit", "something else"])
    for depth in range(program.DEEPEST):
        monkeypatch.setenv(program.STARTED, f"{depth}\x1f\x1fother")
        assert program.command(["web1"])[1][program.STARTED].startswith(f"{depth + 1}\x1f")
    monkeypatch.setenv(program.STARTED, f"{program.DEEPEST}\x1f\x1fother")
    with pytest.raises(program.NoSsh, match="9 times over"):
        program.command(["web1"])
    monkeypatch.setenv(program.STARTED, "1\x1f\x1fweb1\x1fa")
    with pytest.raises(program.NoSsh, match="2 times over"):
        program.command(["web1", "a"])


def test_what_ssh_runs_for_a_question_of_ours_knows_it(tmp_path: Path) -> None:
    """``Match exec`` runs there: ssh-jit in it must ask nothing. Messages are English, since they are read."""
    told = tmp_path / "told"
    files = "Match all\n    IdentityFile /a\n    IdentityFile /b\n"
    config = f'Match exec "echo $SSH_JIT_INSIDE $LC_ALL > {told}"\n    User x\n{files}'
    values = openssh.RunningQuery(["--", "web1"], config).answer()
    assert told.read_text() == "1 C\n"
    assert values["identityfile"] == "/a", "the first line counts"


def test_a_question_within_a_question_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(program.INSIDE, "1")
    with pytest.raises(Failed, match="your ssh configuration") as error:
        openssh.RunningQuery(["--", "web1"], "")
    assert error.value.code == "asked_itself"


@pytest.mark.parametrize(
    ("errors", "shown"),
    [
        (
            "config: line 2: Bad configuration option: x\nconfig: terminating, 1 bad configuration options\n",
            "config: line",
        ),
        ("OpenSSH_9.2p1 Debian\ndebug1: a\ndebug2: b\ndebug3: c\n\n  \nWarning: no xauth\nreal one\n", "real one"),
        ("  first\nsecond\n", "first"),
        ("debug1: only\n", "exit 3"),
        ("", "exit 3"),
    ],
)
def test_the_first_line_about_an_error_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, errors: str, shown: str
) -> None:
    (tmp_path / "errors").write_text(errors)
    executable(tmp_path / "ssh", f"#!/bin/sh\n/bin/cat {tmp_path}/errors >&2\nexit 3\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Failed) as error:
        openssh.RunningQuery(["--", "web1"], "").answer()
    assert error.value.message.startswith(f"ssh failed: {shown}")
    assert error.value.hint == ("if another ssh reads it, write before it: IgnoreUnknown x" if "Bad" in errors else "")


def _make_key(folder: Path) -> None:
    openssh.make_key(folder / "key")


def _verify(_: Path) -> None:
    openssh.verify("ssh-ed25519 AAAA", "file", b"", "")


def _query(_: Path) -> None:
    openssh.RunningQuery(["--", "web1"], "").answer()


def _known(folder: Path) -> None:
    (folder / "known_hosts").write_text("")
    own_known_hosts.has("web1", {"userknownhostsfile": str(folder / "known_hosts")})


@pytest.fixture
def hanging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """OpenSSH programs that never end; the file that they write their process id to."""
    pid = tmp_path / "pid"
    for name in ("ssh", "ssh-keygen"):
        executable(tmp_path / "bin" / name, f"#!/bin/sh\necho $$ > {pid}.new; mv {pid}.new {pid}; exec sleep 600\n")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return pid


@pytest.mark.parametrize("run", [_make_key, _verify, _query, _known])
def test_no_program_that_asks_nobody_is_waited_for_for_ever(
    tmp_path: Path, hanging: Path, monkeypatch: pytest.MonkeyPatch, run: Callable[[Path], None]
) -> None:
    """A key is made under the lock of sign-ins: one that hangs would hold up all others."""
    monkeypatch.setattr(openssh, "UNATTENDED", 2)
    with pytest.raises(Failed, match=r"ssh(-keygen)? has not answered within 2 s") as error:
        run(tmp_path)
    assert error.value.code == "openssh_failed"
    with pytest.raises(ProcessLookupError):
        os.kill(int(hanging.read_text()), 0)


class _Over(BaseException):
    """What a deadline raises."""


def test_a_deadline_ends_the_program_that_it_meets(tmp_path: Path, hanging: Path) -> None:
    """Otherwise its own end waits for the program, and the program lives on."""

    def over(*_: object) -> None:
        if hanging.exists():
            raise _Over

    earlier = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, 0.2, 0.2)
    try:
        with pytest.raises(_Over):
            _make_key(tmp_path)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, earlier)
    with pytest.raises(ProcessLookupError):
        os.kill(int(hanging.read_text()), 0)
