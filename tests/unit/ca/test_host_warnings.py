"""What an operator hears who adds a host that is probably not as it was meant."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sshjit import ca_protocol as m
from sshjit.errors import Refused
from sshjit_ca.cli import show
from tests.support.installation import BOB, Installation
from tests.support.signatures import ADMIN_POLICY, act, by, host_keys, lines_of

NEW = m.AddHost("web9", (), "192.0.2.9", 22, (("env", "staging"),), ())


def added(ca: Installation, message: m.AddHost) -> tuple[str, ...]:
    return ca.say(message, m.HostReply, "admin").warnings


@pytest.fixture
def keys(ca: Installation) -> tuple[Path, ...]:
    """One key of each type that every sshd makes."""
    return host_keys(ca, "ed25519", "ecdsa", "rsa")


def test_a_host_as_it_should_be_is_no_news(ca: Installation, keys: tuple[Path, ...]) -> None:
    assert added(ca, replace(NEW, host_keys=lines_of(keys))) == ()
    assert added(ca, replace(NEW, name="web8", address="192.0.2.8")) == ()


def test_certificates_on_some_keys_lock_out_who_pinned_another(ca: Installation, keys: tuple[Path, ...]) -> None:
    (told,) = added(ca, replace(NEW, host_keys=lines_of(keys[1:2])))
    assert told.startswith("only these of its keys are certified, not Ed25519 and RSA:")
    reply = ca.say(replace(NEW, name="web8", address="192.0.2.8", host_keys=lines_of(keys[:1])), m.HostReply, "admin")
    assert " ".join(show.host_added(reply).split()).count("warning only these of its keys are certified") == 1


def test_labels_that_no_rule_matches_and_an_address_that_another_host_has(ca: Installation) -> None:
    told = added(ca, replace(NEW, labels=(("env", "prod"),), address="127.0.0.1"))
    assert told == (
        "no rule of the policy allows anything on a host with these labels",
        "127.0.0.1 port 22 is the address of db1, web1 too",
    )
    ca.change_policy(", required = true", "")
    (none,) = added(ca, replace(NEW, name="web8", address="192.0.2.8", labels=()))
    assert none.startswith("the host has no label, and rules go by labels")


def test_the_key_of_another_host_is_refused_with_its_name(ca: Installation, keys: tuple[Path, ...]) -> None:
    added(ca, replace(NEW, host_keys=lines_of(keys)))
    with pytest.raises(Refused) as taken:
        added(ca, replace(NEW, name="web8", host_keys=lines_of(keys[:1])))
    assert taken.value.code == "key_taken"
    assert taken.value.message.endswith("belongs to the host web9")
    assert "ssh-keygen -A" in taken.value.hint


def test_over_the_web_nobody_hears_of_other_hosts(ca: Installation) -> None:
    ca.change_policy(*ADMIN_POLICY)
    bob = ca.native(BOB)
    message = act(ca, bob, by(ca.key(BOB)), replace(NEW, address="127.0.0.1"))
    assert ca.say(message, m.HostReply, "web").warnings == ()
