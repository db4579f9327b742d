"""Whether the CA's own alarm would be heard, as doctor finds out without sounding it; Linux itself is the judge."""

from __future__ import annotations

import dataclasses
import os
import shutil
import socket
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from sshjit_ca.config import Config
from sshjit_ca.operations import alert_checks
from sshjit_ca.operations.finding import Finding, Level
from sshjit_ca.service import alerts
from tests.support.installation import Installation
from tests.support.syslog import listening


@pytest.fixture
def config(ca: Installation) -> Config:
    """The configuration of a CA; nobody listens at its syslog socket yet."""
    return ca.config


def looked(config: Config, *command: str | Path) -> list[Finding]:
    told = dataclasses.replace(config, alert_command=tuple(map(str, command)))
    return list(alert_checks.examine(told))


def about_command(config: Config, program: Path) -> tuple[str, str]:
    """What is bad about a command, and what to do; nothing, if all is well."""
    found = looked(config, program, "--urgent")[1]
    assert (found.level == "bad") == bool(found.hint)
    return (found.message, found.hint) if found.level == "bad" else ("", "")


def runs(program: Path) -> bool:
    """The verdict of the real thing: whether Linux runs it as the CA would."""
    try:
        done = subprocess.run([program], env={"PATH": alerts.PATH}, cwd="/", capture_output=True, check=False)
    except OSError:
        return False
    return done.returncode == 0


def write(path: Path, text: str, mode: int = 0o755) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("with_command", [False, True])
def test_a_socket_that_somebody_listens_at_is_well_and_hears_nothing(config: Config, with_command: bool) -> None:  # noqa: FBT001 - a case
    command = (shutil.which("true") or "",) if with_command else ()
    with listening(config.syslog) as heard:
        found = looked(config, *command)
        heard.settimeout(0)
        with pytest.raises(BlockingIOError):
            heard.recv(100)
    assert [each.level for each in found] == ["ok", "ok"]
    assert found[0].message == f"syslog listens at {config.syslog}"


@pytest.mark.parametrize(("with_command", "level"), [(False, "bad"), (True, "warning")])
def test_without_syslog_an_alarm_has_only_the_command(config: Config, with_command: bool, level: Level) -> None:  # noqa: FBT001 - a case
    command = (shutil.which("true") or "",) if with_command else ()
    absent = looked(config, *command)[0]
    assert (absent.level, "No such file" in absent.message) == (level, True)
    with listening(config.syslog):
        pass  # the file stays, and nobody listens any more
    left = looked(config, *command)[0]
    assert (left.level, "Connection refused" in left.message) == (level, True)
    config.syslog.unlink()
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as other:
        other.bind(str(config.syslog))
        other.listen()
        stream = looked(config, *command)[0]
    assert (stream.level, "wrong type" in stream.message) == (level, True)
    assert "syslog in ca.toml" in stream.hint


def test_a_command_that_linux_runs_is_well_and_was_not_run(config: Config, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    script = write(tmp_path / "page", f"#!/bin/sh -e\ntouch {ran}\n")
    by_env = write(tmp_path / "by-env", f"#!/usr/bin/env sh\ntouch {ran}\n")
    of_script = write(tmp_path / "of-script", f"#!{script}\n")
    link = tmp_path / "link"
    link.symlink_to(script)
    for program in (script, by_env, of_script, link):
        assert about_command(config, program) == ("", "")
        assert not ran.exists()
        assert runs(program)
        ran.unlink()


@pytest.mark.parametrize(
    ("text", "mode", "told"),
    [
        (None, 0, ("No such file or directory", "change alert_command")),
        ("#!/bin/sh\n", 0o644, ("cannot be run by this user", "chmod a+x")),
        ("#!/nowhere/sh\n", 0o755, ("/nowhere/sh does not exist", "install it")),
        ("#!/etc/passwd\n", 0o755, ("/etc/passwd cannot be run", "chmod")),
        ("#!/usr/bin/env no-such\n", 0o755, ("needs no-such", "full path")),
        ("echo paged\n", 0o755, ("neither a program nor a script", "#!/bin/sh")),
        ("", 0o755, ("neither a program nor a script", "#!/bin/sh")),
        ("#!\n", 0o755, ("neither a program nor a script", "#!/bin/sh")),
    ],
)
def test_a_command_that_linux_refuses_is_said(
    config: Config, tmp_path: Path, text: str | None, mode: int, told: tuple[str, str]
) -> None:
    program = tmp_path / "page"
    if text is not None:
        write(program, text, mode)
    assert not runs(program)
    found = about_command(config, program)
    assert (told[0] in found[0], told[1] in found[1]) == (True, True), found


def test_a_folder_and_a_circle_of_scripts_are_no_commands(config: Config, tmp_path: Path) -> None:
    assert "not a file" in about_command(config, tmp_path)[0]
    circle = write(tmp_path / "circle", f"#!{tmp_path}/circle\n")
    assert not runs(circle)
    assert "cannot be run" in about_command(config, circle)[0]


def test_a_command_that_others_could_change_is_said_for_the_ca_runs_it(config: Config, tmp_path: Path) -> None:
    open_to_others = write(tmp_path / "page", "#!/bin/sh\n", 0o757)
    assert runs(open_to_others)
    message, hint = about_command(config, open_to_others)
    assert "is writable by other users" in message
    assert hint == f"chown root {open_to_others}; chmod go-w {open_to_others}"
    if os.getuid() == 0:
        theirs = write(tmp_path / "theirs", "#!/bin/sh\n")
        os.chown(theirs, 65534, 65534)
        assert "is writable by other users" in about_command(config, theirs)[0]
