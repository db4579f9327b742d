"""Connections by the ssh of other Debian releases: what we write and type is read by all of them in one way.

Every run has the newest (sid). With ``SSH_JIT_TEST_SUITES`` (``make test-matrix``) the same is asked of others. Only
root can make their systems.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import debian_root
from tests.unit.client.real_agent import ssh_agent
from tests.unit.client.real_host import World, real_world
from tests.unit.client.test_agent_mode import CERTIFICATE, accepted, held
from tests.unit.client.test_real_ssh import SHARED


@pytest.fixture(scope="module")
def everything() -> Iterator[World]:
    with real_world() as world:
        yield world


@pytest.fixture(params=debian_root.SUITES)
def world(everything: World, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A laptop whose first ``ssh`` in ``PATH`` is that of the release, run by the release's own loader."""
    root = debian_root.system(str(request.param)).root
    (loader,) = root.glob("usr/lib/*-linux-gnu*/ld-linux-*.so.*")
    for program in ("ssh", "ssh-agent"):
        script = tmp_path / program
        script.write_text(f'#!/bin/sh\nexec {loader} --library-path {loader.parent} {root}/usr/bin/{program} "$@"\n')
        script.chmod(0o755)
    path = everything.laptop.env["PATH"]
    everything.laptop.env["PATH"] = f"{tmp_path}{os.pathsep}{path}"
    yield everything
    everything.laptop.env["PATH"] = path
    Path(everything.laptop.env["HOME"], ".ssh/config").unlink(missing_ok=True)
    everything.forget()


def said(world: World, *words: str) -> str:
    """The standard output of a connection that has to work."""
    done = world.laptop.run(*words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_is_the_release_s_own(world: World, request: pytest.FixtureRequest) -> None:
    done = world.laptop.run("-V")
    suite = str(request.node.callspec.params["world"])
    version = tuple(map(int, done.stderr.removeprefix("OpenSSH_").split("p")[0].split(".")))
    assert version >= debian_root.OPENSSH[suite] if suite == "sid" else version == debian_root.OPENSSH[suite]


def test_t34_it_shares_a_connection_of_its_own_certificate_alone(world: World) -> None:
    world.config(SHARED.format("auto"))
    assert said(world, "--action", "act", "web1") == "of-the-action\n"
    assert said(world, "web1", "echo of-the-shell") == "of-the-shell\n"
    assert len(world.sockets) == 2
    mark = world.host.mark()
    assert said(world, "web1", "echo again") == "again\n"
    assert "Accepted" not in world.host.said(mark)
    said(world, "-O", "check", "web1")
    world.forget()
    assert world.sockets == []


def test_it_reads_what_we_write_beside_what_the_person_wrote(world: World) -> None:
    world.config("GlobalKnownHostsFile none\nHostKeyAlias web1.lab\n")
    assert said(world, "web1", "echo there") == "there\n"
    world.forget()
    world.config("Host w\n    HostName web1\n")
    assert said(world, "w", "echo there") == "there\n"
    assert said(world, "-J", "vault1", "web1", "echo there") == "there\n"
    said(world, "-s", "web1", "sftp")
    denied = world.laptop.run("-l", "web1$", "web1", "true")
    assert (denied.returncode, "no rule allows" in denied.stderr) == (4, True), "it goes through the file"
    wanted = "-oPreferredAuthentications=publickey,keyboard-interactive"
    more = world.laptop.run("-v", wanted, "-p", str(world.second), "web1", "true")
    assert "Next authentication method: keyboard-interactive" in more.stderr


def test_its_options_are_found_that_shut_us_out(world: World) -> None:
    for option in ("PubkeyAcceptedKeyTypes ssh-ed25519", "HostKeyAlgorithms ssh-ed25519"):
        world.config(f"{option}\n")
        done = world.laptop.run("web1", "true")
        assert (done.returncode, "has no ssh-ed25519-cert-v01@openssh.com, by which" in done.stderr) == (4, True)


@pytest.mark.parametrize("agent", ["of the release", "of this machine"])
def test_it_takes_the_certificate_from_an_agent(world: World, tmp_path: Path, agent: str) -> None:
    """The certificate is for one host only where both know how: from 8.9 on."""
    program = str(tmp_path / "ssh-agent") if agent == "of the release" else "ssh-agent"
    folder = tmp_path / "sockets"
    folder.mkdir()
    world.laptop.run("setup", "--certificates", "agent")
    with ssh_agent(folder, program) as address:
        world.laptop.env["SSH_AUTH_SOCK"] = address
        for _ in ("drawn", "alive"):
            shown = world.laptop.run("-v", "web1", "echo there")
            assert shown.stdout == "there\n", shown.stderr
            assert accepted(shown.stderr).split()[-1] == "agent"
        assert said(world, "-A", "-J", "vault1", "web1", "echo there") == "there\n"
        assert {line.split()[0] for line in held(world)} == {CERTIFICATE}
        world.forget()
        assert held(world) == []
    del world.laptop.env["SSH_AUTH_SOCK"]
    world.laptop.run("setup", "--certificates", "files")
