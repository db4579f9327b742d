"""An approver gone bad: own requests, twins, old signatures, digests that are made to fit.

What stays possible: to say yes to what an approver may say yes to. The log names who it was, and by which key.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from sshjit import ca_protocol as m
from sshjit import signed_actions
from sshjit.errors import SshJitError
from tests.support.installation import BOB, DANA, Installation, Person, ssh_sign
from tests.support.signatures import SIGNED_POLICY, answer, by, challenge

EVE = Person("e-5", ("SRE Leads", "Database"), "eve@example.com")
TWIN = Person("e-6", ("SRE Leads", "Database"), "Eve@Example.com", verified=False)
SECOND = Person("e-7", ("SRE Leads", "Database"), "eve@home.example", verified=False)


@pytest.fixture
def signing(ca: Installation) -> Installation:
    """A CA whose database needs a signed approval."""
    ca.change_policy(*SIGNED_POLICY)
    return ca


def code(ca: Installation, message: m.Message) -> str:
    (said,) = ca.say_all([message], "web")
    assert isinstance(said, SshJitError), said
    return said.code


def state(ca: Installation, request: m.RequestView) -> str:
    return ca.context.state.requests[request.id].state


def test_t21_nobody_approves_for_themselves_in_any_channel(signing: Installation) -> None:
    signing.web(BOB)
    native, web = signing.native(EVE), signing.web(EVE)
    request = signing.ask(native, "db1").request
    assert code(signing, answer(signing, native, by(signing.key(EVE)), request)) == "own_request"
    assert code(signing, m.Approve(web, request.id, request.digest, "", None)) == "own_request"
    again = signing.native(EVE)
    assert code(signing, answer(signing, again, by(signing.key(EVE)), request)) == "own_request"
    assert state(signing, request) == "pending"


def test_t61_nor_by_a_twin_whose_address_nobody_verified(signing: Installation) -> None:
    signing.web(BOB)
    request = signing.ask(signing.native(EVE), "db1").request
    twin = signing.native(TWIN)
    assert code(signing, answer(signing, twin, by(signing.key(TWIN)), request)) == "own_request"
    other = signing.native(replace(TWIN, sub="e-8", provider="partner"))
    key = by(signing.key(replace(TWIN, sub="e-8", provider="partner")))
    assert code(signing, answer(signing, other, key, request)) in ("own_request", "not_an_approver", "unknown_request")
    assert state(signing, request) == "pending"


def test_t61_nor_through_an_account_in_between(signing: Installation) -> None:
    """The middle one showed both addresses once: the three are one person."""
    signing.web(BOB)
    signing.web(replace(SECOND, sub="m-1"))
    signing.web(replace(EVE, sub="m-1"))
    request = signing.ask(signing.native(EVE), "db1").request
    second = signing.native(SECOND)
    said = code(signing, answer(signing, second, by(signing.key(SECOND)), request))
    assert said in ("own_request", "not_an_approver", "unknown_request")
    assert state(signing, request) == "pending"


def test_t22_two_accounts_of_one_approver_are_one_approval(signing: Installation) -> None:
    signing.change_policy("count = 1, signed = true", "count = 2, signed = true")
    request = signing.ask(signing.native(DANA), "db1").request
    for person in (EVE, TWIN):
        said = answer(signing, signing.native(person), by(signing.key(person)), request)
        signing.say(said, m.RequestReply)
    assert state(signing, request) == "pending"
    signing.say(answer(signing, signing.native(BOB), by(signing.key(BOB)), request), m.RequestReply)
    assert state(signing, request) == "approved"


def test_an_old_signature_approves_nothing_else(signing: Installation) -> None:
    dana, bob = signing.native(DANA), signing.native(BOB)
    first = signing.ask(dana, "db1").request
    given = answer(signing, bob, by(signing.key(BOB)), first)
    signing.say(given, m.RequestReply)
    signing.say(m.End(dana, first.id), m.RequestReply)
    second = signing.ask(dana, "db1").request
    eve = signing.native(EVE)
    entries = len(signing.kinds())
    assert signing.say(given, m.RequestReply).request.state == "ended", "the same answer once more changes nothing"
    assert len(signing.kinds()) == entries
    for message in (
        replace(given, request=second.id),
        replace(given, request=second.id, digest=second.digest),
        replace(given, request=second.id, digest=second.digest, login_id=eve),
    ):
        assert code(signing, message) in ("wrong_state", "digest_differs", "challenge_over")
    fresh = challenge(signing, bob)
    reused = m.ActionSignature(fresh, given.consent.signature if given.consent else "")
    assert code(signing, replace(given, request=second.id, digest=second.digest, consent=reused)) == "signature_refused"
    assert state(signing, second) == "pending"


def test_t23_a_digest_that_is_made_to_fit_does_not_fit(signing: Installation) -> None:
    """The text that is signed is the CA's own, so neither another digest nor another request behind it counts."""
    dana, eve = signing.native(DANA), signing.native(EVE)
    mild = signing.ask(dana, "db1", action="migrate").request
    wild = signing.ask(dana, "db1").request
    for shown in (replace(wild, digest=mild.digest), replace(mild, id=wild.id), replace(mild, digest=wild.digest)):
        said = answer(signing, eve, by(signing.key(EVE)), shown)
        assert code(signing, replace(said, request=wild.id, digest=wild.digest)) == "signature_refused"
        assert code(signing, replace(said, request=wild.id, digest=mild.digest)) == "digest_differs"
    assert (state(signing, mild), state(signing, wild)) == ("pending", "pending")


def test_nobody_signs_for_somebody_else(signing: Installation) -> None:
    request = signing.ask(signing.native(DANA), "db1").request
    bob, eve = signing.native(BOB), signing.native(EVE)
    assert code(signing, answer(signing, bob, by(signing.key(EVE)), request)) == "signature_refused"
    of_eve = answer(signing, eve, by(signing.key(EVE)), request)
    assert code(signing, replace(of_eve, login_id=bob)) == "challenge_over"
    assert state(signing, request) == "pending"


def test_one_signature_holds_one_answer(signing: Installation) -> None:
    """The line breaks and quotes of a comment cannot make one text look like another."""
    request = signing.ask(signing.native(DANA), "db1").request
    bob = signing.native(BOB)
    fresh = challenge(signing, bob)
    sly = 'go"\nreason: "CHG-1'
    text = signed_actions.approval_text(request, "approve", sly, fresh, signing.config.installation, duration=None)
    assert text.count(b"\nreason: ") == 1
    given = m.ActionSignature(fresh, ssh_sign(signing.key(BOB), signed_actions.APPROVE_NAMESPACE, text))
    assert code(signing, m.Approve(bob, request.id, request.digest, "go", given)) == "signature_refused"
    assert state(signing, request) == "pending"


def test_t27_an_approver_who_is_one_no_more_opened_nothing_that_lasts(signing: Installation) -> None:
    dana = signing.native(DANA)
    request = signing.ask(dana, "db1").request
    signing.say(answer(signing, signing.native(EVE), by(signing.key(EVE)), request), m.RequestReply)
    assert signing.say(m.SignUser(dana, request.id), m.CertificateReply)
    signing.web(replace(EVE, groups=()))
    assert code(signing, m.SignUser(dana, request.id)) == "approval_gone"


@pytest.mark.parametrize("kind", ["person", "login", "key"])
def test_what_a_locked_approver_said_counts_for_nothing(signing: Installation, kind: m.LockKind) -> None:
    """Whoever stole a sign-in may have said it; once somebody notices and locks, it opens nothing and keeps nothing."""
    signing.change_policy("count = 1, signed = true", "count = 2, signed = true")
    dana, bob, eve = signing.native(DANA), signing.native(BOB), signing.native(EVE)
    request = signing.ask(dana, "db1").request
    signing.say(answer(signing, eve, by(signing.key(EVE)), request), m.RequestReply)
    view = signing.logins[eve]
    target = {"person": view.person.id, "login": eve, "key": signing.context.state.logins[eve].opened.key}[kind]
    lock = signing.say(m.Lock(None, kind, target, "laptop stolen"), m.LockReply, "admin").lock.id
    said = signing.say(answer(signing, bob, by(signing.key(BOB)), request), m.RequestReply).request
    assert (said.state, said.steps[0].missing) == ("pending", 1)
    assert EVE.sub not in said.steps[0].candidates
    signing.say(m.Unlock(None, lock, "found it", None), m.Done, "admin")
    third = Person("g-9", ("SRE Leads",), "grace@example.com")
    opened = signing.say(
        answer(signing, signing.native(third), by(signing.key(third)), request), m.RequestReply
    ).request
    assert opened.state == "approved"


def test_nor_does_a_grant_that_a_locked_approver_opened_give_more(signing: Installation) -> None:
    dana, eve = signing.native(DANA), signing.native(EVE)
    request = signing.ask(dana, "db1").request
    signing.say(answer(signing, eve, by(signing.key(EVE)), request), m.RequestReply)
    assert signing.say(m.SignUser(dana, request.id), m.CertificateReply)
    taken = m.Lock(None, "person", signing.logins[eve].person.id, "laptop stolen")
    lock = signing.say(taken, m.LockReply, "admin").lock.id
    assert code(signing, m.SignUser(dana, request.id)) == "approval_gone"
    signing.say(m.Unlock(None, lock, "found it", None), m.Done, "admin")
    assert signing.say(m.SignUser(dana, request.id), m.CertificateReply)


def test_who_is_locked_is_not_waited_for(signing: Installation) -> None:
    bob, dana = signing.native(BOB), signing.native(DANA)
    assert signing.ask(dana, "db1").request.steps[0].candidates == (BOB.sub,)
    signing.say(m.Lock(None, "person", signing.logins[bob].person.id, "laptop stolen"), m.LockReply, "admin")
    waits = signing.say(m.ReadRequests(dana, "mine", 10, None), m.RequestsReply).requests[0]
    assert waits.steps[0].candidates == ()


def test_t24_a_signature_that_comes_late_is_late(signing: Installation) -> None:
    request = signing.ask(signing.native(DANA), "db1").request
    bob, eve = signing.native(BOB), signing.native(EVE)
    ready = answer(signing, eve, by(signing.key(EVE)), request)
    signing.say(m.Deny(bob, request.id, request.digest, "no", None), m.RequestReply)
    assert code(signing, ready) == "wrong_state"
    other = signing.ask(signing.native(DANA), "db1").request
    ready = answer(signing, eve, by(signing.key(EVE)), other)
    signing.later(30 * 60)
    assert code(signing, ready) == "wrong_state"


def test_who_said_it_is_in_the_log_for_good(signing: Installation) -> None:
    request = signing.ask(signing.native(DANA), "db1").request
    eve = signing.native(EVE)
    signing.say(answer(signing, eve, by(signing.key(EVE)), request, "looks fine"), m.RequestReply)
    (decision,) = signing.context.state.requests[request.id].decisions
    assert (decision.said.login_id, decision.said.signed, decision.said.comment) == (eve, True, "looks fine")
