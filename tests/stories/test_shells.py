"""Completion in real shells, and the manual page in real readers: ``apt-get install zsh fish man-db mandoc``."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from sshjit_client.console.terminal import Terminal
from sshjit_client.storage import host_names, settings
from sshjit_client.storage.machine import Machine
from tests.support.release_clone import ROOT
from tests.support.typed_session import typed_session

SHARE = ROOT / "client" / "share"
PAGE = SHARE / "man" / "man1" / "ssh-jit.1"


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """A machine that knows some hosts, and ``ssh-jit`` in its ``PATH``."""
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": str(tmp_path), "LANG": "C.UTF-8"}
    settings.save(env, settings.Settings(1, "https://jit.example.org", "lab", "SHA256:x", None))
    host_names.keep(Machine(env, Terminal()), ["web1", "web2", "db1"])
    program = tmp_path / "ssh-jit"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m sshjit_client "$@"\n')
    program.chmod(0o755)
    return env


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("app", ["approve"]),
        ("we", ["web1", "web2"]),
        ("root@we", ["root@web1", "root@web2"]),
        ("--rea", ["--reason"]),
        ("doctor we", ["web1", "web2"]),
        ("approve --y", ["--yes"]),
        ("requests --mi", ["--mine"]),
    ],
)
def test_fish_completes(env: dict[str, str], line: str, wanted: list[str]) -> None:
    script = f"source {SHARE}/fish/vendor_completions.d/ssh-jit.fish; complete -C 'ssh-jit {line}'"
    done = subprocess.run(["fish", "--no-config", "-c", script], env=env, capture_output=True, text=True, check=False)
    assert (done.stdout.split(), done.stderr) == (wanted, "")


@pytest.mark.parametrize("how", ["fpath", "sourced"])
@pytest.mark.parametrize(
    ("typed", "becomes"),
    [
        ("ssh-jit app\t", "ssh-jit approve"),
        ("ssh-jit db\t", "ssh-jit db1"),
        ("ssh-jit root@db\t", "ssh-jit root@db1"),
        ("ssh-jit --rea\t", "ssh-jit --reason"),
        ("ssh-jit doctor d\t", "ssh-jit doctor db1"),
        ("ssh-jit approve --y\t", "ssh-jit approve --yes"),
    ],
)
def test_zsh_completes(env: dict[str, str], how: str, typed: str, becomes: str) -> None:
    """At a terminal, as people have it: the folder in ``fpath``, or the script sourced in ``~/.zshrc``."""
    begin = "autoload -U compinit; compinit -u -D"
    if how == "fpath":
        begin = f"fpath=({SHARE}/zsh/site-functions $fpath); {begin}"
    else:
        begin = f"{begin}; source <(ssh-jit completion zsh)"
    with typed_session(["zsh", "-f", "-i"], {**env, "PS1": "> "}, columns=200) as session:
        session.type(f"{begin}; print rea''dy\n")
        session.wait_for("ready")
        session.type(typed)
        session.wait_for(becomes)


def test_the_page_is_read_without_a_complaint() -> None:
    lint = subprocess.run(["mandoc", "-Tlint", PAGE], capture_output=True, text=True, check=False)
    assert (lint.returncode, lint.stdout) == (0, "")
    for reader in (["man", "--warnings", "-l"], ["mandoc", "-Tutf8"]):
        done = subprocess.run(
            [*reader, PAGE], env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "MANWIDTH": "80", "MANPAGER": "cat"},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stderr == ""
        plain = re.sub(r".\x08", "", done.stdout)
        assert "let plain ssh, scp, git and others use your access" in plain
        assert "ssh-jit approve" in plain
