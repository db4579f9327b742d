"""A removed machine still has its key and a host certificate of a week: OpenSSH's own client refuses it.

The certificates are a whole CA's, the list and the configuration that ssh reads are those that the client writes, and
the servers are real.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sshjit import ca_protocol as m
from sshjit_client.ssh import openssh
from tests.support.laptop_at_ssh import World, laptop_and_servers, line_of


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Two servers that show host certificates, and a laptop with a certificate for each."""
    with laptop_and_servers(tmp_path) as world:
        for name in world.servers:
            world.enrol(name)
        world.next_bundle()
        for name in world.servers:
            world.get_in(name)
        yield world


def test_t67_a_removed_host_is_refused_and_others_go_on(world: World) -> None:
    for name in world.servers:
        assert world.ssh(name).stdout == "in\n"
    world.ca.say(m.RemoveHost("web1", "stolen", None, None), m.Done, "admin")
    assert world.ssh("web1").stdout == "in\n"  # the laptop has not heard of it
    world.next_bundle()
    refused = world.ssh("web1")
    assert (refused.returncode, refused.stdout) == (255, "")
    assert "revoked" in refused.stderr
    assert world.ssh("web2").stdout == "in\n"


def test_t67_a_machine_in_its_place_is_believed(world: World) -> None:
    world.ca.say(m.RemoveHost("web1", "set up anew", None, None), m.Done, "admin")
    world.next_bundle()
    assert world.ssh("web1").returncode == 255
    world.enrol("web1")
    world.next_bundle()
    assert world.ssh("web1").stdout == "in\n"


def test_a_locked_host_is_refused_until_it_is_unlocked(world: World) -> None:
    lock = world.ca.say(m.Lock(None, "host", "web1", "stolen"), m.LockReply, "admin").lock
    world.next_bundle()
    assert world.ssh("web1").returncode == 255
    assert world.ssh("web2").stdout == "in\n"
    world.ca.say(m.Unlock(None, lock.id, "found again", None), m.Done, "admin")
    world.next_bundle()
    assert world.ssh("web1").stdout == "in\n"


@pytest.mark.parametrize(
    "change",
    [Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:-3])],
    ids=["missing", "cut-short"],
)
def test_t31_a_list_that_cannot_be_read_lets_no_host_pass(world: World, change: Callable[[Path], object]) -> None:
    world.ca.say(m.RemoveHost("web2", "scrapped", None, None), m.Done, "admin")
    world.next_bundle()
    change(world.revoked)
    assert world.ssh("web1").returncode == 255
    world.next_bundle()
    assert world.ssh("web1").stdout == "in\n"


def test_t43_who_has_a_list_of_their_own_keeps_it_and_ours_does_not_count(world: World) -> None:
    theirs = world.laptop / "theirs"
    openssh.make_key(world.laptop / "lost")
    theirs.write_text(line_of(world.laptop / "lost.pub") + "\n")
    world.get_in("web1", f"RevokedHostKeys {theirs}\n")
    world.ca.say(m.RemoveHost("web1", "stolen", None, None), m.Done, "admin")
    world.next_bundle()
    assert world.ssh("web1").stdout == "in\n"
    theirs.write_text(line_of(world.servers["web1"].host.public_key) + "\n")
    assert world.ssh("web1").returncode == 255
