"""Errors explain themselves, and messages have the names that travel."""

from __future__ import annotations

import re

import pytest

from sshjit import ca_protocol, errors
from sshjit.errors import Failed, Invalid, Refused, SshJitError


@pytest.mark.parametrize("kind", [Invalid, Refused, Failed])
def test_an_error_is_its_sentence_and_keeps_code_and_hint(kind: type[SshJitError]) -> None:
    error = kind("no_rule", "no rule allows this", hint="ask")
    assert (str(error), error.code, error.message, error.hint) == (
        "no rule allows this",
        "no_rule",
        "no rule allows this",
        "ask",
    )
    assert kind("a", "b").hint == ""
    assert errors.FAMILIES[kind.family] is kind


def test_the_families_are_apart() -> None:
    assert set(errors.FAMILIES) == {"invalid", "refused", "failed"}
    with pytest.raises(Refused):
        raise Refused("a", "b")
    assert not issubclass(Refused, Invalid)
    assert not issubclass(Invalid, Refused)


def test_t46_every_message_has_one_name_and_one_reply() -> None:
    assert set(ca_protocol.MESSAGES.values()) == set(ca_protocol.REPLIES)
    assert len(ca_protocol.MESSAGES) == len(ca_protocol.REPLIES)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", name) for name in ca_protocol.MESSAGES)
    assert {ca_protocol.SignUser: "sign_user", ca_protocol.Ask: "ask"} == {
        kind: name for name, kind in ca_protocol.MESSAGES.items() if kind in (ca_protocol.SignUser, ca_protocol.Ask)
    }
