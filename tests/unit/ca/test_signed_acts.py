"""Acts that count only with a signature: over the CA's own text, by the login's own key, once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from sshjit import ca_protocol as m
from sshjit import signed_actions
from sshjit.errors import Invalid, Refused
from tests.support.installation import ALICE, BOB, CAROL, DANA, Installation, Person, ssh_sign
from tests.support.signatures import ADMIN_POLICY, SIGNED_POLICY, act, answer, as_shown, by, challenge

ERIN = Person("e-5", ("SRE Leads",), "erin@example.com")
BOTH = Person("f-6", ("SRE", "SRE Leads"), "both@example.com")


@pytest.fixture
def signing(ca: Installation) -> Installation:
    """A CA whose database needs a signed approval, and whose leads keep hosts."""
    ca.change_policy(*SIGNED_POLICY)
    ca.change_policy(*ADMIN_POLICY)
    return ca


def pending(ca: Installation) -> tuple[str, m.RequestView]:
    login = ca.native(DANA)
    return login, ca.ask(login, "db1").request


def refused(ca: Installation, message: m.Message, reply: type[object] = m.RequestReply) -> str:
    with pytest.raises(Refused) as error:
        ca.say(message, reply, "web")
    return error.value.code


def test_a_signed_approval_opens_what_asks_for_one(signing: Installation) -> None:
    login, request = pending(signing)
    bob = signing.native(BOB)
    done = signing.say(answer(signing, bob, by(signing.key(BOB)), request, "go"), m.RequestReply).request
    assert (done.state, done.decisions[0].signed, done.decisions[0].comment) == ("approved", True, "go")
    assert signing.say(m.SignUser(login, request.id), m.CertificateReply)


def test_a_word_alone_is_refused_where_it_could_not_count(signing: Installation) -> None:
    _, request = pending(signing)
    for login in (signing.web(BOB), signing.native(BOB)):
        assert refused(signing, m.Approve(login, request.id, request.digest, "", None)) == "signature_needed"
    assert signing.context.state.requests[request.id].decisions == ()


def test_a_word_alone_is_refused_whatever_another_s_would_count_for(signing: Installation) -> None:
    signing.change_policy(
        '{ from = "lead", count = 1, signed = true }',
        '{ from = "sre", count = 1 }, { from = "lead", count = 1, signed = true }',
    )
    _, request = pending(signing)
    assert refused(signing, m.Approve(signing.web(BOB), request.id, request.digest, "", None)) == "signature_needed"
    assert signing.approve(signing.web(ALICE), request).decisions[0].person.email == ALICE.email


def test_an_approver_whose_word_was_not_enough_may_sign_after_it(signing: Installation) -> None:
    signing.change_policy(
        '{ from = "lead", count = 1, signed = true }',
        '{ from = "sre", count = 1 }, { from = "lead", count = 1, signed = true }',
    )
    _, request = pending(signing)
    both = signing.native(BOTH)
    signing.approve(both, request)
    assert signing.approve(signing.web(ALICE), request).state == "pending"
    assert signing.approve(both, request).state == "pending", "the same word once more adds nothing"
    done = signing.say(answer(signing, both, by(signing.key(BOTH)), request), m.RequestReply).request
    assert done.state == "approved"


def test_t22_one_person_s_word_and_signature_count_once(signing: Installation) -> None:
    signing.change_policy(
        '{ from = "lead", count = 1, signed = true }',
        '{ from = "sre", count = 1 }, { from = "lead", count = 1, signed = true }',
    )
    _, request = pending(signing)
    both = signing.native(BOTH)
    signing.approve(both, request)
    signed = answer(signing, both, by(signing.key(BOTH)), request)
    assert signing.say(signed, m.RequestReply).request.state == "pending"


Change = Callable[[m.Approve], m.Approve]
CHANGES: dict[str, tuple[Change, str]] = {
    "another comment": (lambda it: replace(it, comment="go on"), "signature_refused"),
    "another length": (lambda it: replace(it, duration=600), "signature_refused"),
    "another challenge": (
        lambda it: replace(it, consent=m.ActionSignature("A" * 32, it.consent.signature if it.consent else "")),
        "challenge_over",
    ),
    "no signature": (lambda it: replace(it, consent=None), "signature_needed"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_changed_on_the_way_is_refused(signing: Installation, name: str) -> None:
    _, request = pending(signing)
    bob = signing.native(BOB)
    change, code = CHANGES[name]
    assert refused(signing, change(answer(signing, bob, by(signing.key(BOB)), request))) == code


LIES: list[dict[str, Any]] = [
    {"hosts": ("web1",)},
    {"host_ids": ("web1",)},
    {"login": "deploy"},
    {"command": "id"},
    {"reason": "CHG-1"},
    {"duration": 60},
    {"address": "192.0.2.99"},
    {"rule": "staging"},
    {"asked": 1},
    {"steps": ()},
    {"start": 1_900_000_000},
    {"action": "migrate"},
    {"break_glass": True},
    {"extends": "req-0123456789abcdef"},
    {"channel": "web"},
    {"certificate": 60},
    {"policy": "0" * 64},
    {"requester": m.PersonView("sub-0123456789abcdef", "partner", "d-4", "dana@example.com")},
    {"digest": "0" * 64},
    {"id": "req-0123456789abcdef"},
]
"""What a front end could show otherwise than it is: the text of an approval binds each of these by itself."""


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: next(iter(lie)))
def test_t52_an_approver_who_was_shown_something_else_signed_something_else(
    signing: Installation, lie: dict[str, Any]
) -> None:
    _, request = pending(signing)
    shown = replace(request, **lie)
    bob = signing.native(BOB)
    said = replace(answer(signing, bob, by(signing.key(BOB)), shown), request=request.id, digest=request.digest)
    assert refused(signing, said) == "signature_refused"


def test_a_challenge_counts_once_for_its_login_and_not_for_long(signing: Installation) -> None:
    _, request = pending(signing)
    bob, erin = signing.native(BOB), signing.native(ERIN)
    said = answer(signing, bob, by(signing.key(BOB)), request)
    assert refused(signing, replace(said, comment="x")) == "signature_refused"
    assert refused(signing, said) == "challenge_over"
    of_bob = answer(signing, bob, by(signing.key(ERIN)), request)
    assert refused(signing, replace(of_bob, login_id=erin)) == "challenge_over"
    late = answer(signing, bob, by(signing.key(BOB)), request)
    signing.later(180)
    assert refused(signing, late) == "challenge_over"


@pytest.mark.parametrize("namespace", ["act@ssh-jit", "login@ssh-jit", "file", "git", "join@ssh-jit", "bundle@ssh-jit"])
def test_t59_a_signature_for_another_purpose_is_none_here(signing: Installation, namespace: str) -> None:
    _, request = pending(signing)
    bob = signing.native(BOB)
    said = answer(signing, bob, lambda _, text: ssh_sign(signing.key(BOB), namespace, text), request)
    assert refused(signing, said) == "signature_refused"


def test_a_signature_is_for_one_installation(signing: Installation) -> None:
    _, request = pending(signing)
    bob = signing.native(BOB)
    fresh = challenge(signing, bob)
    text = signed_actions.approval_text(request, "approve", "", fresh, "another", duration=None)
    given = m.ActionSignature(fresh, ssh_sign(signing.key(BOB), signed_actions.APPROVE_NAMESPACE, text))
    assert refused(signing, m.Approve(bob, request.id, request.digest, "", given)) == "signature_refused"


def test_a_no_is_not_a_yes(signing: Installation) -> None:
    _, request = pending(signing)
    bob = signing.native(BOB)
    no = answer(signing, bob, by(signing.key(BOB)), request, verdict="deny")
    assert refused(signing, no) == "signature_refused"
    no = answer(signing, bob, by(signing.key(BOB)), request, "not today", verdict="deny")
    denied = signing.say(m.Deny(bob, request.id, request.digest, "not today", no.consent), m.RequestReply).request
    assert (denied.state, denied.decisions[0].signed) == ("denied", True)


def test_browsers_have_nothing_to_sign_with(signing: Installation) -> None:
    assert refused(signing, m.ReadChallenge(signing.web(BOB)), m.ChallengeReply) == "not_native"


def test_no_challenge_is_in_the_log(signing: Installation) -> None:
    fresh = challenge(signing, signing.native(BOB))
    for row in signing.store.rows():
        assert fresh.encode() not in (row.entry.fact + (row.entry.detail or b""))


def host(name: str = "web9") -> m.AddHost:
    return m.AddHost(name, (), "192.0.2.9", 22, (("env", "staging"),), ())


def test_t53_hosts_over_the_web_need_permission_and_signature(signing: Installation) -> None:
    bob, alice = signing.native(BOB), signing.native(ALICE)
    acts: list[tuple[signed_actions.Act, type[object]]] = [
        (host(), m.HostReply),
        (m.LabelHost("db1", (("env", "staging"),), None, None), m.HostReply),
        (m.RemoveHost("db1", "old", None, None), m.Done),
    ]
    for message, reply in acts:
        assert refused(signing, message, reply) == "not_permitted"
        assert refused(signing, replace(message, login_id=bob), reply) == "signature_needed"
        assert refused(signing, act(signing, alice, by(signing.key(ALICE)), message), reply) == "not_permitted"
        assert refused(signing, act(signing, bob, by(signing.key(CAROL)), message), reply) == "signature_refused"
        signing.say(act(signing, bob, by(signing.key(BOB)), message), reply, "web")
    assert set(signing.context.state.hosts) == {"web1", "web9"}


def test_t53_labels_that_were_not_signed_do_not_count(signing: Installation) -> None:
    bob = signing.native(BOB)
    signed = act(signing, bob, by(signing.key(BOB)), m.LabelHost("web1", (("env", "prod"),), None, None))
    changed = as_shown(signing, replace(signed, labels=(("env", "staging"),), name="db1", shown=None))
    assert refused(signing, changed, m.HostReply) == "signature_refused"
    assert signing.context.state.hosts["db1"].labels == (("env", "prod"), ("role", "db"))


HOST_LIES: list[dict[str, Any]] = [
    {"id": "db1~2"},
    {"address": "192.0.2.77"},
    {"labels": (("env", "retired"),)},
    {"aliases": ("old",)},
]


@pytest.mark.parametrize("lie", HOST_LIES, ids=lambda lie: next(iter(lie)))
def test_t71_an_admin_who_was_shown_another_host_changes_nothing(signing: Installation, lie: dict[str, Any]) -> None:
    bob = signing.native(BOB)
    for message, reply in (
        (m.LabelHost("db1", (("env", "staging"),), bob, None), m.HostReply),
        (m.RemoveHost("db1", "old", bob, None), m.Done),
    ):
        shown = replace(as_shown(signing, message).shown, **lie)  # type: ignore[type-var]
        deceived = act(signing, bob, by(signing.key(BOB)), replace(message, shown=shown))
        with pytest.raises(Invalid) as differs:
            signing.say(deceived, reply, "web")
        assert differs.value.code == "shown_differs"
        assert refused(signing, replace(deceived, shown=as_shown(signing, message).shown), reply) == "signature_refused"
        older = act(signing, bob, by(signing.key(BOB)), message)
        assert refused(signing, replace(older, shown=None), reply) == "too_old"
    assert signing.context.state.hosts["db1"].labels == (("env", "prod"), ("role", "db"))


def test_new_labels_count_from_the_next_certificate_on(signing: Installation) -> None:
    login = signing.native(ALICE)
    request = signing.ask(login, "web1").request
    signing.say(m.LabelHost("web1", (("env", "prod"),), None, None), m.HostReply, "admin")
    with pytest.raises(Refused):
        signing.say(m.SignUser(login, request.id), m.CertificateReply)


def test_t54_a_host_added_over_the_web_gets_no_token_there(signing: Installation) -> None:
    bob = signing.native(BOB)
    reply = signing.say(act(signing, bob, by(signing.key(BOB)), host()), m.HostReply, "web")
    assert (reply.invitation, reply.certificates) == (None, ())
    assert signing.say(m.InviteHost("web9"), m.HostReply, "admin").invitation is not None
