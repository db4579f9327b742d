"""One's own sign-ins: each person sees and ends theirs, and nobody else's."""

from __future__ import annotations

import pytest

from sshjit import ca_protocol as m
from sshjit.errors import SshJitError
from tests.support.installation import ALICE, BOB, Installation, Person


def listed(ca: Installation, login: str) -> list[str]:
    return [each.id for each in ca.say(m.ReadLogins(login), m.LoginsReply).logins]


def end(ca: Installation, login: str, ended: str | None) -> list[str]:
    return [each.id for each in ca.say(m.EndLogins(login, ended), m.LoginsReply).logins]


def test_a_person_sees_their_own_living_sign_ins_the_newest_first(ca: Installation) -> None:
    first, _, native = ca.web(ALICE), ca.web(BOB), ca.native(ALICE)
    over = ca.web(ALICE)
    ca.say(m.Logout(over), m.Done)
    assert listed(ca, first) == [native, first]
    newest, oldest = ca.say(m.ReadLogins(first), m.LoginsReply).logins
    assert (newest.kind, newest.provider, newest.address) == ("native", "acme", "192.0.2.7")
    assert newest.fingerprint == ca.logins[native].fingerprint
    assert (oldest.kind, oldest.opened, oldest.expires, oldest.fingerprint) == (
        "web",
        int(ca.time),
        ca.logins[first].expires,
        None,
    )


def test_the_same_address_at_another_provider_is_another_subject(ca: Installation) -> None:
    one = ca.web(ALICE)
    other = ca.web(Person("a-9", (), ALICE.email, provider="partner"))
    assert (listed(ca, one), listed(ca, other)) == ([one], [other])


def test_ending_one_leaves_the_others_and_revokes_what_it_drew(ca: Installation) -> None:
    lost, kept, browser = ca.native(ALICE), ca.native(ALICE), ca.web(ALICE)
    drawn = ca.ask(lost, "web1").certificate
    assert drawn is not None
    assert end(ca, browser, lost) == [browser, kept]
    assert drawn.serial in ca.context.state.revoked
    assert end(ca, browser, lost) == [browser, kept]
    assert ca.kinds().count("logout") == 1


def test_ending_all_others_leaves_the_one_that_asks(ca: Installation) -> None:
    mine = [ca.web(ALICE), ca.native(ALICE), ca.web(ALICE)]
    bob = ca.web(BOB)
    assert end(ca, mine[0], None) == [mine[0]]
    assert listed(ca, bob) == [bob]


def test_nobody_ends_a_sign_in_of_somebody_else(ca: Installation) -> None:
    alice, bob = ca.web(ALICE), ca.web(BOB)
    for target in (bob, "login-77777777"):
        with pytest.raises(SshJitError) as refused:
            end(ca, alice, target)
        assert refused.value.code == "unknown_login"
    assert listed(ca, bob) == [bob]


def test_who_is_signed_out_or_locked_sees_and_ends_nothing(ca: Installation) -> None:
    over, locked, bob = ca.web(ALICE), ca.web(ALICE), ca.web(BOB)
    ca.say(m.Logout(over), m.Done)
    ca.say(m.Lock(bob, "login", locked, "lost"), m.LockReply)
    for login, code in ((over, "login_over"), (locked, "locked")):
        for message in (m.ReadLogins(login), m.EndLogins(login, None)):
            with pytest.raises(SshJitError) as refused:
                ca.say(message, m.LoginsReply)
            assert refused.value.code == code


@pytest.mark.parametrize("trouble", ["clock"])
def test_a_sign_in_is_ended_although_the_clock_is_not_believed(ca: Installation, trouble: str) -> None:
    mine, lost = ca.web(ALICE), ca.web(ALICE)
    ca.time += 7200
    assert end(ca, mine, lost) == [mine], trouble
