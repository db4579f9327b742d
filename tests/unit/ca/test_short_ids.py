"""The operator names a thing by the beginning of its id, at the admin socket alone, and never two things at once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sshjit import ca_protocol as m
from sshjit import short_ids
from sshjit.errors import Invalid, Refused, SshJitError
from tests.support.installation import ALICE, BOB, Installation
from tests.support.softkey import SoftKey


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("lock-7k2m", ["lock-7k2m"]),
        ("7k", ["lock-7k2m", "lock-7kab"]),
        ("lock-7ka", ["lock-7kab"]),
        ("7kab", ["lock-7kab"]),
        ("", []),
        ("l", []),
        ("lock", []),
        ("lock-", []),
        ("x", []),
    ],
)
def test_a_text_names_what_begins_so(text: str, ids: list[str]) -> None:
    assert short_ids.meant(text, ["lock-7k2m", "lock-7kab", "lock-9"], "lock-") == ids
    assert short_ids.meant("lock-9", ["lock-9", "lock-99"], "lock-") == ["lock-9"], "a whole one is that one"


def by_lock(ca: Installation) -> tuple[str, Callable[[str], m.Message], type]:
    ca.native(ALICE)
    made = ca.say(m.Lock(None, "person", "acme/alice@example.com", "a drill"), m.LockReply, "admin")
    return made.lock.id, lambda text: m.Unlock(None, text, "a drill", None), m.Done


def by_request(ca: Installation) -> tuple[str, Callable[[str], m.Message], type]:
    request = ca.ask(ca.native(ALICE), "web1").request
    return request.id, lambda text: m.Revoke(None, text, None, None, "a drill"), m.RevokeReply


def by_login(ca: Installation) -> tuple[str, Callable[[str], m.Message], type]:
    return ca.native(ALICE), lambda text: m.Revoke(None, None, None, text, "a drill"), m.RevokeReply


def by_locked_login(ca: Installation) -> tuple[str, Callable[[str], m.Message], type]:
    return ca.native(ALICE), lambda text: m.Lock(None, "login", text, "a drill"), m.LockReply


def by_locked_key(ca: Installation) -> tuple[str, Callable[[str], m.Message], type]:
    key = ca.context.state.logins[ca.native(ALICE)].opened.key
    assert key is not None
    return key, lambda text: m.Lock(None, "key", text, "a drill"), m.LockReply


def by_locked_person(ca: Installation) -> tuple[str, Callable[[str], m.Message], type]:
    person = ca.logins[ca.native(ALICE)].person.id
    return person, lambda text: m.Lock(None, "person", text, "a drill"), m.LockReply


def by_invitation(ca: Installation) -> tuple[str, Callable[[str], m.Message], type]:
    ca.change_policy("required = true", "required = true, by_token = true")
    message = m.InviteFleet("web-*", (("env", "staging"),), ("deploy",), 2, int(ca.time) + 86400, 30 * 86400)
    made = ca.say(message, m.FleetReply, "admin")
    return made.invitation.id, lambda text: m.EndInvitation(text, "a drill"), m.InvitationsReply


def by_hardware_key(ca: Installation) -> tuple[str, Callable[[str], m.Message], type]:
    ca.native(ALICE)
    made = ca.say(m.RegisterHardwareKey("acme/alice@example.com", SoftKey().line), m.HardwareKeysReply, "admin")
    return made.keys[0].fingerprint, lambda text: m.RemoveHardwareKey(text, "a drill"), m.HardwareKeysReply


@pytest.mark.parametrize(
    "case",
    [by_lock, by_request, by_login, by_locked_login, by_locked_key, by_locked_person, by_invitation, by_hardware_key],
)
def test_every_id_of_a_command_may_be_its_beginning(
    ca: Installation, case: Callable[[Installation], tuple[str, Callable[[str], m.Message], type]]
) -> None:
    name, message, reply = case(ca)
    with pytest.raises(SshJitError):
        ca.say(message(f"{name[:-1]}!"), reply, "admin")
    assert ca.say(message(name[:-3]), reply, "admin")


def test_what_two_begin_with_names_neither(ca: Installation) -> None:
    for person in ("acme/alice@example.com", "acme/bob@example.com"):
        ca.native(ALICE if "alice" in person else BOB)
        ca.say(m.Lock(None, "person", person, "a drill"), m.LockReply, "admin")
    state = ca.context.state
    first, second = state.locks.values()
    state.locks = {"lock-7k2m": first, "lock-7kab": second}
    with pytest.raises(Invalid) as both:
        ca.say(m.Unlock(None, "7k", "a drill", None), m.Done, "admin")
    assert (both.value.code, both.value.hint) == ("which_lock", "lock-7k2m, lock-7kab")


def test_a_front_end_names_ids_whole(ca: Installation) -> None:
    login = ca.native(ALICE)
    request = ca.ask(login, "web1").request
    with pytest.raises(Refused) as short:
        ca.say(m.Revoke(login, request.id[:-2], None, None, "a drill"), m.RevokeReply)
    assert short.value.code == "not_permitted"
    ca.say(m.Revoke(login, request.id, None, None, "a drill"), m.RevokeReply)
