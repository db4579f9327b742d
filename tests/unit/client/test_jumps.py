"""Hosts that a connection passes through: how they are read, and what reaches ssh through two shells."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sshjit.errors import Invalid
from sshjit_client.ssh import certificate_index, connection_args, jumps, sshconfig
from sshjit_client.ssh.connection_args import Usage


@pytest.mark.parametrize(
    ("typed", "host", "login", "options"),
    [
        ("gate", "gate", "", ["gate"]),
        ("deploy@gate", "gate", "deploy", ["-l", "deploy", "gate"]),
        ("deploy@gate:2222", "gate", "deploy", ["-p", "2222", "-l", "deploy", "gate"]),
        ("ssh://deploy@gate:2222", "gate", "deploy", ["-p", "2222", "-l", "deploy", "gate"]),
        ("ssh://gate/", "gate", "", ["gate"]),
        ("fd77::5", "fd77::5", "", ["fd77::5"]),
        ("[fd77::5]:22", "fd77::5", "", ["-p", "22", "fd77::5"]),
        ("a@[fd77::5]", "fd77::5", "a", ["-l", "a", "fd77::5"]),
    ],
)
def test_a_host_of_j_is_read_as_ssh_reads_it(typed: str, host: str, login: str, options: list[str]) -> None:
    args = connection_args.read(["--reason", "CHG-7", "-F", "none", "-J", f"{typed},other", "web1", "true"])
    assert (args.host, args.ssh) == ("web1", ["web1", "true"])
    hop, other = jumps.hops(args, args.jump)
    assert (hop.host, hop.login, hop.options) == (host, login, options)
    assert (hop.reason, hop.config, other.host) == ("CHG-7", "none", "other")


@pytest.mark.parametrize("words", [["-J", "gate"], ["-Jgate"], ["-vJ", "gate"], ["-vJgate"], ["-oProxyJump=gate"]])
def test_j_is_found_in_every_spelling_and_the_rest_stays(words: list[str]) -> None:
    args = connection_args.read([*words, "web1"])
    assert (args.jump, args.ssh) == ("gate", [*(["-v"] if "v" in words[0] else []), "web1"])


def test_j_stands_once() -> None:
    with pytest.raises(Usage, match="commas"):
        connection_args.read(["-J", "a", "-J", "b", "web1"])
    with pytest.raises(Invalid, match="not a destination"):
        jumps.hops(connection_args.read(["web1"]), "a,,b")
    with pytest.raises(Invalid, match="the way to web1 leads through web1 itself"):
        jumps.hops(connection_args.read(["web1"]), "a,web1")


SEEN = """Host w
    HostName web1
    Port 2022
    User bob
    ProxyJump gate-%h,%r@two-%n,p%p,100%%
"""


def test_tokens_of_proxy_jump_are_what_ssh_makes_of_them(tmp_path: Path) -> None:
    """``ssh -G`` leaves them as they stand; ssh itself fills them in when it starts itself for the nearest host."""
    config = tmp_path / "config"
    config.write_text(SEEN)
    args = connection_args.read(["-F", str(config), "w"])
    values = sshconfig.own(args).values
    assert values["proxyjump"] == "gate-%h,%r@two-%n,p%p,100%%"
    ours = jumps.expanded(values["proxyjump"], "w", "bob", values)
    assert ours == "gate-web1,bob@two-w,p2022,100%"
    ssh = ["ssh", "-v", "-F", str(config), "-o", "ProxyUseFdpass=no", "-o", "ConnectTimeout=1", "w"]
    theirs = subprocess.run(ssh, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False).stderr
    assert "exec ssh -J gate-web1,bob@two-w,p2022 " in theirs
    assert [hop.host for hop in jumps.hops(args, ours)] == ["gate-web1", "two-w", "p2022", "100%"]
    with pytest.raises(Invalid, match="%i"):
        jumps.expanded("gate-%i", "w", "bob", values)


ECHO = """#!{python} -IS
import json, sys
json.dump(sys.argv[1:], open({path!r}, "w"))
"""


@pytest.fixture
def inner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose ``ssh`` is the first in ``PATH``, and writes down how it was started."""
    program = tmp_path / "ssh"
    program.write_text(ECHO.format(python=sys.executable, path=str(tmp_path / "seen")))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path


def arrived(folder: Path, value: str) -> list[str]:
    """The arguments that ``ssh`` is started with for a ``ProxyCommand``, by the real ssh and a shell."""
    real = shutil.which("ssh", path=os.environ["PATH"].partition(":")[2])
    assert real is not None
    words = [real, "-F", "none", "-o", f"ProxyCommand={value}", "-p", "2200", "10.0.0.5"]
    subprocess.run(words, env={**os.environ, "SHELL": "/bin/sh"}, capture_output=True, check=False, timeout=30)
    seen = folder / "seen"
    found: list[str] = json.loads(seen.read_text())
    seen.unlink()
    return found


def test_what_is_said_of_a_bastion_reaches_ssh_as_it_was_said(inner: Path) -> None:
    config = inner / "it's a %folder $HOME" / "web1+%2b~via"
    value = jumps.bastion("gate", "jump", config)
    words = arrived(inner, value)
    strict = len(certificate_index.STRICT)
    assert words[:strict] == list(certificate_index.STRICT)
    assert words[strict : strict + 4] == ["-F", str(config), "-l", "jump"]
    assert words[-4:] == ["-W", "[10.0.0.5]:2200", "--", "gate"]
    assert {"ControlMaster=no", "ControlPath=none"} <= set(words)


def test_so_does_what_is_said_of_hosts_one_behind_the_other(inner: Path) -> None:
    config = inner / "100% it's"
    value = jumps.chain(
        [jumps.Hop("one", ("-F", str(config))), jumps.Hop("two", ("-p", "2")), jumps.Hop("three%h", ())]
    )
    three = arrived(inner, value)
    assert three[-4:] == ["-W", "[10.0.0.5]:2200", "--", "three%h"]
    two = arrived(inner, next(word for word in three if word.startswith("ProxyCommand=")).partition("=")[2])
    assert (two[:2], two[-4:]) == (["-p", "2"], ["-W", "[10.0.0.5]:2200", "--", "two"])
    one = arrived(inner, next(word for word in two if word.startswith("ProxyCommand=")).partition("=")[2])
    assert (one[:2], one[-1]) == (["-F", str(config)], "one")
