"""Host certificates of machines that are not to be believed: ``ssh-keygen -Q`` judges the list of the newest bundle."""

from __future__ import annotations

from pathlib import Path

import pytest

from sshjit import ca_protocol as m
from sshjit import sshkey
from tests.support.installation import ALICE, Installation
from tests.support.published_bundle import newest, reply, revoked
from tests.support.signatures import host_keys, lines_of

WEEK = 7 * 24 * 3600


def enrolled(ca: Installation, name: str, *keys: Path) -> tuple[str, ...]:
    """Enrols a host with its keys; the lines of its certificates."""
    message = m.AddHost(name, (), "127.0.0.1", 22, (("env", "staging"),), lines_of(keys))
    return ca.say(message, m.HostReply, "admin").certificates


@pytest.fixture
def pair(ca: Installation) -> tuple[tuple[str, ...], str]:
    """The certificates of ``web7``, which has two keys, and the one of ``web8``."""
    *two, other = host_keys(ca, "ed25519", "ecdsa", "rsa")
    return enrolled(ca, "web7", *two), enrolled(ca, "web8", other)[0]


def test_t67_a_removed_host_is_refused_until_its_certificates_end(
    ca: Installation, pair: tuple[tuple[str, ...], str]
) -> None:
    gone, other = pair
    assert not any(revoked(ca, each) for each in (*gone, other))
    ca.say(m.RemoveHost("web7", "scrapped", None, None), m.Done, "admin")
    assert all(revoked(ca, each) for each in gone)
    assert not revoked(ca, other)
    ca.restart()
    ca.later(WEEK - 60)
    assert all(revoked(ca, each) for each in gone)
    ca.later(60)
    assert not any(revoked(ca, each) for each in gone)


def test_t67_a_new_machine_of_the_name_is_believed_and_the_old_one_is_not(
    ca: Installation, pair: tuple[tuple[str, ...], str]
) -> None:
    old, _ = pair
    ca.say(m.RemoveHost("web7", "replaced", None, None), m.Done, "admin")
    (new,) = enrolled(ca, "web7", *host_keys(ca, "ed25519"))
    assert ca.context.state.hosts["web7"].id == "web7~2"
    assert all(revoked(ca, each) for each in old)
    assert not revoked(ca, new)


@pytest.mark.parametrize("renewed", [False, True])
def test_every_certificate_that_a_host_was_given_goes_with_it(
    ca: Installation, pair: tuple[tuple[str, ...], str], *, renewed: bool
) -> None:
    certificates = list(pair[0])
    if renewed:
        ca.later(3 * 24 * 3600)
        certificates += ca.say(m.CertifyHost("web7"), m.HostReply, "admin").certificates
    ca.say(m.RemoveHost("web7", "scrapped", None, None), m.Done, "admin")
    assert [revoked(ca, each) for each in certificates] == [True] * len(certificates)


def test_a_locked_host_is_refused_as_long_as_the_lock_stands(
    ca: Installation, pair: tuple[tuple[str, ...], str]
) -> None:
    locked, other = pair
    sequence = reply(ca).sequence
    lock = ca.say(m.Lock(None, "host", "web7", "stolen"), m.LockReply, "admin").lock
    assert newest(ca).sequence == sequence + 1
    assert all(revoked(ca, each) for each in locked)
    assert not revoked(ca, other)
    ca.say(m.Unlock(None, lock.id, "it was not", None), m.Done, "admin")
    assert not any(revoked(ca, each) for each in locked)


def test_a_locked_key_is_refused_and_the_hosts_other_keys_are_not(
    ca: Installation, pair: tuple[tuple[str, ...], str]
) -> None:
    first, second = pair[0]
    fingerprint = sshkey.parse_line(ca.context.state.hosts["web7"].host_keys[0]).fingerprint
    ca.say(m.Lock(None, "key", fingerprint, "copied"), m.LockReply, "admin")
    assert [revoked(ca, first), revoked(ca, second)] == [True, False]


def test_a_lock_on_everything_leaves_the_hosts_recognisable(
    ca: Installation, pair: tuple[tuple[str, ...], str]
) -> None:
    ca.say(m.Lock(None, "everything", None, "drill"), m.LockReply, "admin")
    assert not any(revoked(ca, each) for each in pair[0])


def test_serials_of_hosts_and_of_people_stand_under_their_own_ca(
    ca: Installation, pair: tuple[tuple[str, ...], str]
) -> None:
    drawn = ca.ask(ca.native(ALICE), "web1").certificate
    assert drawn is not None
    ca.say(m.Revoke(None, None, drawn.serial, None, "test"), m.RevokeReply, "admin")
    ca.say(m.RemoveHost("web7", "scrapped", None, None), m.Done, "admin")
    assert revoked(ca, drawn)
    assert all(revoked(ca, each) for each in pair[0])
    assert not revoked(ca, pair[1])
