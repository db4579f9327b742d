"""Hosts that show no host certificates: ssh knows them by the plain keys that joining proved, as the bundle says.

Servers, CA and signatures are real, and ssh runs by the files that the client writes.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sshjit import ca_protocol as m
from sshjit import sshkey
from sshjit_client.ssh import openssh
from tests.support.laptop_at_ssh import World, laptop_and_servers, line_of

ALIASES = ("shop.lab", "192.0.2.77")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """web1 has two keys, and joined without certificates; web2 shows them."""
    with laptop_and_servers(tmp_path) as world:
        host = world.servers["web1"].host
        openssh.make_key(host.folder / "ssh_host_other_key")
        host.drop_in.write_text(f"HostKey {host.folder / 'ssh_host_other_key'}\n{host.drop_in.read_text()}")
        host.reload()
        world.join_without_certificates("web1", *ALIASES)
        world.enrol("web2")
        world.next_bundle()
        yield world


def other_keys(world: World, name: str) -> None:
    """Puts another machine behind the name: one with keys of its own."""
    host = world.servers[name].host
    for path in sorted(host.folder.glob("ssh_host_*_key")):
        path.unlink()
        path.with_name(f"{path.name}.pub").unlink()
        openssh.make_key(path)
    host.reload()


def refused(done: subprocess.CompletedProcess[str]) -> bool:
    assert (done.returncode == 255) == ("Host key verification failed." in done.stderr), done.stderr
    return done.returncode == 255


@pytest.mark.parametrize("name", ["web1", *ALIASES])
def test_ssh_gets_in_by_each_name_and_never_to_another_machine(world: World, name: str) -> None:
    world.get_in(name)
    assert world.ssh(name).stdout == "in\n"
    other_keys(world, "web1")
    assert refused(world.ssh(name))


def test_only_names_of_that_host_and_only_its_keys_are_written(world: World) -> None:
    lines = {line_of(path) for path in world.servers["web1"].host.folder.glob("ssh_host_*_key.pub")}
    world.get_in("shop.lab")
    known = world.configurations["shop.lab"].with_suffix(".known").read_text().splitlines()
    assert known[0] == "# shop.lab"
    assert sorted(known[1:]) == sorted(f"shop.lab {line}" for line in lines)


def test_a_host_with_certificates_is_not_known_by_its_plain_key(world: World) -> None:
    world.get_in("web2")
    assert world.ssh("web2").stdout == "in\n"
    world.servers["web2"].host.public_key.with_name("ssh_host_ed25519_key-cert.pub").unlink()
    world.servers["web2"].host.reload()
    assert refused(world.ssh("web2"))


def test_a_host_without_certificates_is_not_known_by_one(world: World) -> None:
    """Whoever has a host certificate of that name and another key is not that host."""
    world.get_in("web1")
    other_keys(world, "web1")
    host_ca, key = world.ca.config.key_file("host_ca"), world.servers["web1"].host.public_key
    subprocess.run(["ssh-keygen", "-q", "-s", host_ca, "-h", "-I", "web1", "-n", "web1", key], check=True)
    world.servers["web1"].host.reload()
    assert refused(world.ssh("web1"))


def test_keys_that_leave_the_bundle_leave_the_file(world: World) -> None:
    """Also of a certificate that is alive, and they come back with it."""
    world.get_in("web1")
    assert world.ssh("web1").stdout == "in\n"
    prints = [sshkey.parse_line(line_of(p)).fingerprint for p in world.servers["web1"].host.folder.glob("*_key.pub")]
    locks = [world.ca.say(m.Lock(None, "key", each, "lost"), m.LockReply, "admin").lock.id for each in prints]
    world.next_bundle()
    assert world.configurations["web1"].with_suffix(".known").read_text() == "# web1\n"
    assert refused(world.ssh("web1"))
    for lock in locks:
        world.ca.say(m.Unlock(None, lock, "found", None), m.Done, "admin")
    world.next_bundle()
    assert world.ssh("web1").stdout == "in\n"


def test_a_host_that_comes_back_with_certificates_is_known_by_them(world: World) -> None:
    world.get_in("web1")
    world.ca.say(m.RemoveHost("web1", "set up anew", None, None), m.Done, "admin")
    world.enrol("web1")
    world.next_bundle()
    lines = world.configurations["web1"].with_suffix(".known").read_text().splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [["@cert-authority", "web1"]]


def test_t43_ssh_writes_no_key_into_the_persons_own_known_hosts(world: World) -> None:
    """Where it would count for longer than the bundle says."""
    theirs = world.laptop / "theirs"
    world.get_in("web1", f"UserKnownHostsFile {theirs}\nUpdateHostKeys yes\n")
    assert world.ssh("web1").stdout == "in\n"
    assert not theirs.exists() or not theirs.read_text()
