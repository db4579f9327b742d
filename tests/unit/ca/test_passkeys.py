"""Approvals by a passkey: over the CA's own text, by a key that its owner's sign-in signed for, and that counts."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from sshjit import ca_protocol as m
from sshjit import events, passkeys
from sshjit.errors import Invalid, Refused, SshJitError
from sshjit.login import b64url
from sshjit_ca import config
from sshjit_ca.access.passkeys import MOST, WAIT
from sshjit_ca.log import verification
from sshjit_ca.log.ocsf import alarming
from sshjit_ca.service import alerts
from sshjit_ca.storage.schema import entries
from tests.support import soft_authenticator as soft
from tests.support.installation import ALICE, BOB, DANA, Installation, Person
from tests.support.issuer import Issuer
from tests.support.signatures import act, answer, by
from tests.support.soft_authenticator import CAN_BE_SYNCED, PRESENT, VERIFIED, Authenticator

ERIN = Person("e-5", ("SRE Leads",), "erin@example.com")
DATABASE = 'approvals = [{ from = "lead", count = 1 }]'
BY_PASSKEY = (DATABASE, 'approvals = [{ from = "lead", count = 1, signed = "passkey" }]')
DEVICE_BOUND = (DATABASE, 'approvals = [{ from = "lead", count = 1, signed = "device-bound-passkey" }]')
BY_KEY = (DATABASE, 'approvals = [{ from = "lead", count = 1, signed = true }]')


@pytest.fixture
def sited(tmp_path: Path, issuers: dict[str, Issuer]) -> Iterator[Installation]:
    """A CA that takes passkeys, and whose leads may accept them."""
    ca = Installation(tmp_path, issuers, sources=soft.PASSKEYS)
    ca.add_host("db1", env="prod", role="db")
    ca.change_policy('lock = ["lead"]', 'lock = ["lead"]\npasskeys = ["lead"]')
    yield ca
    ca.stop()


@pytest.fixture
def asking(sited: Installation) -> Installation:
    """And whose database needs a signature, by a passkey or more."""
    sited.change_policy(*BY_PASSKEY)
    return sited


def pending(ca: Installation) -> m.RequestView:
    return ca.ask(ca.native(DANA), "db1").request


def code(ca: Installation, message: m.Message, reply: type[object] = m.RequestReply) -> str:
    with pytest.raises(SshJitError) as error:
        ca.say(message, reply)
    return error.value.code


def problems(ca: Installation) -> tuple[str, ...]:
    return verification.verify(ca.store, ca.context.keys.public("log"), processes=1).problems


# ------------------------------------------------------------------------------------------------- approving


KEYS: dict[str, Callable[[], Any]] = {
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
}


@pytest.mark.parametrize("kind", KEYS)
def test_a_passkey_approves_what_was_shown_and_the_log_proves_it(asking: Installation, kind: str) -> None:
    device = Authenticator(KEYS[kind](), step=0)
    soft.registered(asking, BOB, device)
    request, web = pending(asking), asking.web(BOB)
    done = asking.say(soft.approval(asking, web, request, device, "go"), m.RequestReply).request
    said = done.decisions[0]
    assert (done.state, said.passkey, said.signed, said.not_signed, said.comment) == (
        "approved",
        "synced",
        False,
        False,
        "go",
    )
    assert asking.kinds()[-3:] == ["passkey-use", "decision", "grant"]
    assert problems(asking) == ()


def test_either_kind_of_signature_meets_a_rule_that_takes_passkeys(asking: Installation) -> None:
    request, bob = pending(asking), asking.native(BOB)
    done = asking.say(answer(asking, bob, by(asking.key(BOB)), request), m.RequestReply).request
    assert (done.state, done.decisions[0].signed, done.decisions[0].passkey) == ("approved", True, "")


def test_a_word_alone_does_not(asking: Installation) -> None:
    request = pending(asking)
    assert code(asking, m.Approve(asking.web(BOB), request.id, request.digest, "", None)) == "signature_needed"


def test_a_rule_that_asks_for_the_key_is_not_met_by_a_passkey(sited: Installation) -> None:
    sited.change_policy(*BY_KEY)
    device = Authenticator(flags=PRESENT | VERIFIED)
    soft.registered(sited, BOB, device)
    request, web = pending(sited), sited.web(BOB)
    assert code(sited, soft.approval(sited, web, request, device)) == "signature_needed"
    assert not sited.say(m.ReadRequest(web, request.id), m.RequestReply).passkey_counts
    assert "passkey-use" not in sited.kinds()


def test_a_rule_that_asks_for_a_device_bound_passkey_is_not_met_by_a_synced_one(sited: Installation) -> None:
    sited.change_policy(*DEVICE_BOUND)
    synced, bound = Authenticator(), Authenticator(credential=b"key-2", flags=PRESENT | VERIFIED)
    soft.registered(sited, BOB, synced)
    request, web = pending(sited), sited.web(BOB)
    assert code(sited, soft.approval(sited, web, request, synced)) == "signature_needed"
    assert not sited.say(m.ReadRequest(web, request.id), m.RequestReply).passkey_counts
    soft.registered(sited, BOB, bound)
    assert sited.say(m.ReadRequest(web, request.id), m.RequestReply).passkey_counts
    done = sited.say(soft.approval(sited, web, request, bound), m.RequestReply).request
    assert (done.state, done.decisions[0].passkey) == ("approved", "device-bound")


def test_a_page_is_told_when_a_passkey_can_sign(asking: Installation) -> None:
    request, web = pending(asking), asking.web(BOB)
    reply = asking.say(m.ReadRequest(web, request.id), m.RequestReply)
    assert (reply.signature_needed, reply.passkey_counts) == (True, False)
    assert code(asking, m.ReadPasskeyChallenge(web, request.id, "", None), m.PasskeyChallengeReply) == "no_passkey"
    soft.registered(asking, BOB, Authenticator())
    assert asking.say(m.ReadRequest(web, request.id), m.RequestReply).passkey_counts


def test_the_text_is_what_is_signed_by_ssh_jit_too(asking: Installation) -> None:
    soft.registered(asking, BOB, Authenticator())
    request, web = pending(asking), asking.web(BOB)
    text = asking.say(m.ReadPasskeyChallenge(web, request.id, "ok", 600), m.PasskeyChallengeReply).text
    shown = ("postgres", "db1", "shell", "CHG-7 add index", "database", "d-4", "600", "ok", request.digest, "test")
    assert [value for value in shown if f'"{value}"' not in text and f": {value}\n" not in text] == []


# ------------------------------------------------------------------------------------------- what is refused


Change = Callable[[Any], m.Approve]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda it: replace(it, comment="another text"), "passkey_refused"),
        (lambda it: replace(it, duration=60), "passkey_refused"),
        (lambda it: replace(it, passkey=replace(it.passkey, challenge="A" * 32)), "challenge_over"),
        (lambda it: replace(it, passkey=replace(it.passkey, credential=b64url(b"not mine"))), "unknown_passkey"),
        (lambda it: replace(it, passkey=replace(it.passkey, signature=b64url(b"\x30\x00"))), "passkey_refused"),
        (lambda it: replace(it, passkey=replace(it.passkey, client_data="e30")), "bad_passkey"),
        (lambda it: replace(it, passkey=replace(it.passkey, client_data=b64url(b"[" * 9000))), "bad_passkey"),
        (lambda it: replace(it, passkey=replace(it.passkey, authenticator_data="AAAA")), "bad_passkey"),
        (lambda it: replace(it, passkey=replace(it.passkey, authenticator_data="é")), "bad_passkey"),
    ],
    ids=["comment", "length", "challenge", "credential", "signature", "client", "nested", "short", "letters"],
)
def test_what_is_not_exactly_that_is_refused(asking: Installation, change: Change, why: str) -> None:
    device = Authenticator()
    soft.registered(asking, BOB, device)
    request, web = pending(asking), asking.web(BOB)
    assert code(asking, change(soft.approval(asking, web, request, device))) == why
    assert asking.context.state.requests[request.id].decisions == ()


@pytest.mark.parametrize(
    "changed",
    [
        {"origin": "https://evil.example"},
        {"origin": f"{soft.ORIGIN}:8443"},
        {"rp_id": "example.com"},
        {"flags": PRESENT | CAN_BE_SYNCED},
        {"flags": VERIFIED | CAN_BE_SYNCED},
        {"flags": PRESENT | VERIFIED},
        {"more": {"crossOrigin": True}},
        {"more": {"type": "webauthn.create"}},
        {"key": ec.generate_private_key(ec.SECP256R1())},
    ],
    ids=["origin", "port", "rp-id", "not-verified", "not-present", "cannot-be-synced", "frame", "purpose", "key"],
)
def test_what_another_page_or_authenticator_signs_is_refused(asking: Installation, changed: dict[str, Any]) -> None:
    device = Authenticator()
    soft.registered(asking, BOB, device)
    request, web = pending(asking), asking.web(BOB)
    for name, value in changed.items():
        setattr(device, name, value)
    assert code(asking, soft.approval(asking, web, request, device)) == "passkey_refused"
    assert "passkey-use" not in asking.kinds()


def test_a_replay_is_refused_for_the_same_request_and_for_another(asking: Installation) -> None:
    device = Authenticator()
    soft.registered(asking, BOB, device)
    web, request = asking.web(BOB), pending(asking)
    first = soft.approval(asking, web, request, device)
    assert code(asking, replace(first, comment="x")) == "passkey_refused"
    assert code(asking, first) == "challenge_over"
    again = asking.say(m.ReadPasskeyChallenge(web, request.id, "", None), m.PasskeyChallengeReply).challenge
    assert first.passkey is not None
    assert code(asking, replace(first, passkey=replace(first.passkey, challenge=again))) == "passkey_refused"


def test_a_passkey_is_its_owner_s_alone(asking: Installation) -> None:
    device = Authenticator()
    soft.registered(asking, BOB, device)
    soft.registered(asking, ERIN, Authenticator(credential=b"erin's"))
    request, erin = pending(asking), asking.web(ERIN)
    assert code(asking, soft.approval(asking, erin, request, device)) == "unknown_passkey"


def test_t21_nobody_approves_their_own_request_by_a_passkey(asking: Installation) -> None:
    asking.change_policy('dba = ["acme/group:Database"', 'dba = ["acme/group:SRE Leads", "acme/group:Database"')
    device = Authenticator()
    soft.registered(asking, BOB, device)
    asking.web(ERIN)
    request = asking.ask(asking.native(BOB), "db1").request
    assert code(asking, soft.approval(asking, asking.web(BOB), request, device)) == "own_request"


# ------------------------------------------------------------------------------------------------- counters


def test_a_counter_that_is_always_zero_means_nothing(asking: Installation) -> None:
    device = Authenticator()
    soft.registered(asking, BOB, device)
    for _ in range(2):
        request, web = pending(asking), asking.web(BOB)
        assert asking.say(soft.approval(asking, web, request, device), m.RequestReply).request.state == "approved"
        asking.later(2 * 3600)
    assert problems(asking) == ()


@pytest.mark.parametrize("back", [0, 3, 4])
def test_a_counter_that_goes_back_on_a_key_that_counted_is_refused_and_alarmed(asking: Installation, back: int) -> None:
    device = Authenticator(step=1, counter=2)
    passkey = soft.registered(asking, BOB, device)
    first, web = pending(asking), asking.web(BOB)
    device.counter = 3
    asking.say(soft.approval(asking, web, first, device), m.RequestReply)
    asking.later(2 * 3600)
    second, web = pending(asking), asking.web(BOB)
    device.counter, device.step = back, 0
    assert code(asking, soft.approval(asking, web, second, device)) == "passkey_counter"
    events_found = [row.entry.kind for row in asking.store.rows()]
    assert events_found[-2:] == ["passkey-refusal", "refusal"]
    refused = events.PasskeyRefused(passkey.id, passkey.person.id, second.id, back, 4)
    assert (alerts.kind_of(refused), alarming(refused)) == ("passkey_copied", True)
    assert "passkey-refusal" in alerts.KINDS
    assert asking.context.state.requests[second.id].decisions == ()
    device.counter = 5
    assert asking.say(soft.approval(asking, web, second, device), m.RequestReply).request.state == "approved"


# --------------------------------------------------------------------------------------- registering, counting


def test_a_new_passkey_counts_after_a_day(asking: Installation) -> None:
    device = Authenticator()
    passkey = soft.register(asking, BOB, device)
    assert passkey.counts_from == int(asking.time) + WAIT
    request, web = pending(asking), asking.web(BOB)
    given = device.sign(b"", "A" * 32)
    assert code(asking, m.Approve(web, request.id, request.digest, "", None, None, given)) == "passkey_waits"
    assert code(asking, m.ReadPasskeyChallenge(web, request.id, "", None), m.PasskeyChallengeReply) == "no_passkey"
    asking.later(WAIT)
    request, web = pending(asking), asking.web(BOB)
    assert asking.say(soft.approval(asking, web, request, device), m.RequestReply).request.state == "approved"
    assert problems(asking) == ()


def accepting(ca: Installation, admin: str, key: Path, passkey: m.PasskeyView) -> m.AcceptPasskey:
    shown = m.ShownPasskey(passkey.person, passkey.name, passkey.fingerprint, passkey.device_bound, passkey.registered)
    return act(ca, admin, by(key), m.AcceptPasskey(None, passkey.id, None, shown))


def test_an_admin_s_signed_word_lets_it_count_at_once(asking: Installation) -> None:
    device = Authenticator()
    passkey = soft.register(asking, BOB, device)
    erin = asking.native(ERIN)
    message = accepting(asking, erin, asking.key(ERIN), passkey)
    assert code(asking, replace(message, consent=None), m.PasskeysReply) == "signature_needed"
    message = accepting(asking, erin, asking.key(ERIN), passkey)
    assert asking.say(message, m.PasskeysReply).passkeys[0].counts_from == int(asking.time)
    request, web = pending(asking), asking.web(BOB)
    assert asking.say(soft.approval(asking, web, request, device), m.RequestReply).request.state == "approved"


def test_nobody_accepts_their_own_nor_what_they_were_not_shown(asking: Installation) -> None:
    passkey = soft.register(asking, BOB, Authenticator())
    bob, erin, alice = asking.native(BOB), asking.native(ERIN), asking.native(ALICE)
    assert code(asking, accepting(asking, bob, asking.key(BOB), passkey), m.PasskeysReply) == "own_passkey"
    assert code(asking, accepting(asking, alice, asking.key(ALICE), passkey), m.PasskeysReply) == "not_permitted"
    other = replace(passkey, fingerprint="aaaa-bbbb-cccc-dddd")
    assert code(asking, accepting(asking, erin, asking.key(ERIN), other), m.PasskeysReply) == "shown_differs"
    assert asking.context.state.passkeys[passkey.id].counts_from > asking.time


def test_a_page_registers_nothing(asking: Installation) -> None:
    """Neither what a browser made, nor anybody's word: only the signature of the sign-in that began."""
    native, offer = soft.make(asking, BOB, Authenticator())
    assert asking.context.state.passkeys == {}
    good = soft.registration(asking, BOB, native, offer)
    assert code(asking, replace(good, consent=None), m.PasskeysReply) == "signature_needed"
    web = asking.web(BOB)
    assert code(asking, m.OfferPasskey(web), m.PasskeyOfferReply) == "not_native"
    assert code(asking, replace(good, login_id=web), m.PasskeysReply) == "shown_differs"
    assert asking.context.state.passkeys == {}


def test_the_terminal_signs_what_was_made_and_nothing_else(asking: Installation) -> None:
    native, offer = soft.make(asking, BOB, Authenticator())
    good = soft.registration(asking, BOB, native, offer)
    theirs = b64url(b"another key")
    for changed in ({"public_key": theirs}, {"credential": theirs}, {"device_bound": True}, {"rp_id": "evil.example"}):
        assert code(asking, replace(good, **changed), m.PasskeysReply) == "shown_differs"
    assert code(asking, replace(good, name="another name"), m.PasskeysReply) == "signature_refused"
    assert code(asking, good, m.PasskeysReply) == "challenge_over"
    assert asking.say(soft.registration(asking, BOB, native, offer), m.PasskeysReply).passkeys[0].name == "phone"
    assert code(asking, soft.registration(asking, BOB, native, offer), m.PasskeysReply) == "passkey_offer_over"


def test_a_code_is_for_the_person_who_began_for_one_passkey_and_for_ten_minutes(asking: Installation) -> None:
    device = Authenticator()
    offer = asking.say(m.OfferPasskey(asking.native(BOB)), m.PasskeyOfferReply)
    erin, bob = asking.web(ERIN), asking.web(BOB)
    assert code(asking, m.ReadPasskeyOptions(erin, offer.code), m.PasskeyOptionsReply) == "passkey_offer_over"
    options = asking.say(m.ReadPasskeyOptions(bob, offer.code), m.PasskeyOptionsReply)
    client, data = device.made(options.challenge)
    assert code(asking, m.MakePasskey(erin, offer.code, client, data), m.PasskeyOfferReply) == "passkey_offer_over"
    asking.say(m.MakePasskey(bob, offer.code, client, data), m.PasskeyOfferReply)
    assert code(asking, m.MakePasskey(bob, offer.code, client, data), m.PasskeyOfferReply) == "passkey_made"
    asking.later(601)
    assert code(asking, m.ReadPasskeyOffer(bob, offer.code), m.PasskeyOfferReply) == "passkey_offer_over"


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"origin": "https://evil.example"}, "passkey_refused"),
        ({"rp_id": "evil.example"}, "passkey_refused"),
        ({"flags": PRESENT}, "passkey_refused"),
        ({"flags": PRESENT | VERIFIED | soft.IS_SYNCED}, "bad_passkey"),
        ({"more": {"challenge": b64url(b"x" * 32)}}, "passkey_refused"),
        ({"more": {"type": "webauthn.get"}}, "passkey_refused"),
        ({"key": rsa.generate_private_key(65537, 1024)}, "bad_passkey"),  # noqa: S505 - that is the point
        ({"credential": b"x" * 1024}, "bad_passkey"),
    ],
    ids=["origin", "rp-id", "verification", "flags", "challenge", "purpose", "short-rsa", "long-id"],
)
def test_what_a_browser_makes_elsewhere_or_wrongly_is_refused(
    asking: Installation, changed: dict[str, Any], why: str
) -> None:
    device = Authenticator()
    for name, value in changed.items():
        setattr(device, name, value)
    with pytest.raises((Invalid, Refused)) as error:
        soft.make(asking, BOB, device)
    assert error.value.code == why


def test_nobody_registers_a_passkey_twice_or_too_many(asking: Installation) -> None:
    device = Authenticator()
    soft.register(asking, BOB, device)
    for person in (BOB, ERIN):
        with pytest.raises(Refused) as taken:
            soft.make(asking, person, device)
        assert taken.value.code == "passkey_taken"
    for number in itertools.count(2):
        if number > MOST:
            break
        soft.register(asking, BOB, Authenticator(credential=b"key %d" % number))
    assert code(asking, m.OfferPasskey(asking.native(BOB)), m.PasskeyOfferReply) == "too_many_passkeys"


def test_without_settings_there_are_none(ca: Installation) -> None:
    assert code(ca, m.OfferPasskey(ca.native(BOB)), m.PasskeyOfferReply) == "passkeys_off"
    request, web = pending(ca), ca.web(BOB)
    given = Authenticator().sign(b"", "A" * 32)
    assert code(ca, m.Approve(web, request.id, request.digest, "", None, None, given)) == "passkeys_off"


# ------------------------------------------------------------------------------------------------- removing


def test_a_removed_passkey_approves_nothing_and_what_it_approved_counts_no_more(asking: Installation) -> None:
    device = Authenticator()
    passkey = soft.registered(asking, BOB, device)
    dana = asking.native(DANA)
    request, web = asking.ask(dana, "db1").request, asking.web(BOB)
    asking.say(soft.approval(asking, web, request, device), m.RequestReply)
    assert asking.say(m.SignUser(dana, request.id), m.CertificateReply)
    assert code(asking, m.RemovePasskey(asking.web(ERIN), passkey.id, ""), m.PasskeysReply) == "unknown_passkey"
    asking.say(m.RemovePasskey(web, passkey.id, "lost"), m.PasskeysReply)
    assert code(asking, m.SignUser(dana, request.id), m.CertificateReply) == "approval_gone"
    assert code(asking, m.ReadPasskeyChallenge(web, request.id, "", None), m.PasskeyChallengeReply) == "no_passkey"
    assert problems(asking) == ()


def test_the_operator_removes_one_and_everybody_reads_their_own(asking: Installation) -> None:
    passkey = soft.registered(asking, BOB, Authenticator())
    bob, erin, alice = asking.web(BOB), asking.web(ERIN), asking.web(ALICE)
    assert asking.say(m.ReadPasskeys(bob, everybody=False), m.PasskeysReply).passkeys == (passkey,)
    assert asking.say(m.ReadPasskeys(erin, everybody=False), m.PasskeysReply).passkeys == ()
    assert asking.say(m.ReadPasskeys(erin, everybody=True), m.PasskeysReply).passkeys == (passkey,)
    assert code(asking, m.ReadPasskeys(alice, everybody=True), m.PasskeysReply) == "not_permitted"
    begun = passkey.id[:14]
    asking.say(m.RemovePasskey(None, begun, "the phone was stolen"), m.PasskeysReply, "admin")
    assert asking.say(m.ReadPasskeys(None, everybody=True), m.PasskeysReply, "admin").passkeys == ()


def test_its_owner_and_all_admins_are_told(asking: Installation) -> None:
    asking.native(ERIN)
    passkey = soft.register(asking, ALICE, Authenticator())
    items = asking.say(m.ReadFeed(-1, 100, 2), m.FeedReply).items
    told = [(item.kind, item.owner and item.owner.email, [each.email for each in item.admins]) for item in items]
    assert told == [("passkey_registered", ALICE.email, [ERIN.email])]
    assert passkey.id in items[0].summary
    assert asking.say(m.ReadFeed(-1, 100, 1), m.FeedReply).items == ()


# ------------------------------------------------------------------------------------------------ the log alone


def test_the_state_comes_back_from_the_log(asking: Installation) -> None:
    device = Authenticator(step=1)
    soft.registered(asking, BOB, device)
    request, web = pending(asking), asking.web(BOB)
    asking.say(soft.approval(asking, web, request, device), m.RequestReply)
    before = asking.context.state.passkeys
    assert [each.counter for each in before.values()] == [1]
    asking.restart()
    assert asking.context.state.passkeys == before


def test_what_is_forgotten_of_a_passkey_s_approval_leaves_a_whole_log(asking: Installation) -> None:
    device = Authenticator(step=1)
    soft.registered(asking, BOB, device)
    request, web = pending(asking), asking.web(BOB)
    asking.say(soft.approval(asking, web, request, device, "go"), m.RequestReply)
    asking.later(90 * 86400)
    asking.web(BOB)
    asking.say(m.Forget(int(asking.time) - 32 * 86400, dry_run=False), m.ForgetReply, "admin")
    with asking.store.reading() as connection:
        kept = sa.select(entries.c.detail).where(entries.c.kind.in_(("passkey-use", "passkey")))
        assert [detail is None for (detail,) in connection.execute(kept)] == [False, True]
    assert problems(asking) == ()
    before = asking.context.state.passkeys
    asking.restart()
    assert asking.context.state.passkeys == before


@pytest.mark.parametrize(
    ("kind", "old", "new", "why"),
    [
        ("passkey-use", b"add index", b"add indix", "another text"),
        ("passkey-use", b'"signature":"ME', b'"signature":"MF', "signature is not valid"),
        ("decision", b'"comment":"go"', b'"comment":"no"', "another comment"),
        ("passkey", b'"credential":"Y3Jl', b'"credential":"Y3Jm', "not the one that its owner signed for"),
    ],
)
def test_verify_finds_what_a_thief_of_the_log_key_would_write(
    asking: Installation, kind: str, old: bytes, new: bytes, why: str
) -> None:
    """Fact, detail and tree are whole again, as the holder of the log's key can make them; the proof is not."""
    device = Authenticator()
    soft.registered(asking, BOB, device)
    request, web = pending(asking), asking.web(BOB)
    asking.say(soft.approval(asking, web, request, device, "go"), m.RequestReply)
    assert problems(asking) == ()
    with asking.store.writing() as connection:
        (detail,) = connection.execute(sa.select(entries.c.detail).where(entries.c.kind == kind)).scalars()
        assert old in detail
        connection.execute(sa.update(entries).where(entries.c.kind == kind).values(detail=detail.replace(old, new)))
    assert any(why in problem for problem in problems(asking))


def test_an_approval_without_its_proof_is_found(asking: Installation) -> None:
    soft.registered(asking, BOB, Authenticator())
    request, web = pending(asking), asking.web(BOB)
    (passkey,) = asking.context.state.passkeys
    login = asking.logins[web]
    asking.context.record(
        events.Decided(
            request.id,
            login.person.id,
            web,
            "web",
            "approve",
            request.digest,
            signed=False,
            duration=None,
            comment="",
            passkey="synced",
            passkey_id=passkey,
        )
    )
    asking.context.journal.commit()
    assert any("no entry before it proves that" in problem for problem in problems(asking))


# --------------------------------------------------------------------------------------------------- settings


@pytest.mark.parametrize(
    "table",
    [
        'rp_id = "example.com"\norigins = []',
        'rp_id = "example.com"\norigins = ["https://example.org"]',
        'rp_id = "ple.com"\norigins = ["https://example.com"]',
        'rp_id = "example.com"\norigins = ["http://example.com"]',
        'rp_id = "127.0.0.1"\norigins = ["http://127.0.0.1"]',
        'rp_id = "example.com"\norigins = ["https://example.com/a"]',
    ],
)
def test_settings_that_no_browser_would_take_are_refused(ca: Installation, table: str) -> None:
    path = ca.home / "ca.toml"
    path.write_text(f"{path.read_text()}[passkeys]\n{table}\n")
    with pytest.raises(Invalid) as error:
        config.load(path)
    assert error.value.code == "bad_config"
    assert "passkeys" in error.value.message


def test_the_library_is_loaded_with_the_first_passkey_alone() -> None:

    script = "import sys, sshjit_ca.service.daemon, sshjit_ca.routes; print([m for m in sys.modules if 'fido2' in m])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_strengths_are_in_order() -> None:
    given = [(False, ""), (False, "synced"), (False, "device-bound"), (True, "")]
    asked = [(False, ""), (True, "any"), (True, "device-bound"), (True, "")]

    class Said:
        def __init__(self, pair: tuple[bool, str]) -> None:
            self.signed, self.passkey = pair

    order = [[passkeys.given(Said(one)) >= passkeys.asked(Said(two)) for two in asked] for one in given]  # type: ignore[arg-type]
    assert order == [[row >= column for column in range(4)] for row in range(4)]
