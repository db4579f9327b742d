"""Locks: nothing new under them, nothing left alive, and an answer that says what, since when, and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from sshjit import ca_protocol as m
from sshjit.errors import Invalid, Refused
from tests.support.installation import ALICE, BOB, CAROL, DANA, Installation, Person
from tests.support.published_bundle import newest, revoked
from tests.support.signatures import ADMIN_POLICY, act, as_shown, by


def lock(ca: Installation, kind: m.LockKind, target: str | None, login: str | None = None) -> m.LockReply:
    message = m.Lock(login, kind, target, "laptop stolen")
    return ca.say(message, m.LockReply, "admin" if login is None else "web")


def granted(ca: Installation) -> tuple[str, m.RequestView, m.CertificateView]:
    login = ca.native(ALICE)
    reply = ca.ask(login, "web1")
    assert reply.certificate is not None
    return login, reply.request, reply.certificate


def subject(ca: Installation, login: str) -> str:
    return ca.logins[login].person.id


def state_of(ca: Installation, request: m.RequestView) -> str:
    return ca.context.state.requests[request.id].state


def test_a_locked_person_keeps_nothing_and_gets_nothing(ca: Installation) -> None:
    login, request, certificate = granted(ca)
    reply = lock(ca, "person", subject(ca, login))
    assert (reply.requests, reply.logins, reply.certificates) == (1, 1, 1)
    assert state_of(ca, request) == "revoked"
    assert revoked(ca, certificate)
    for attempt in (
        lambda: ca.ask(login, "web1"),
        lambda: ca.say(m.SignUser(login, request.id), m.CertificateReply),
        lambda: ca.say(m.ReadHosts(login), m.HostsReply),
        lambda: ca.native(ALICE),
        lambda: ca.web(ALICE),
    ):
        with pytest.raises(Refused) as refused:
            attempt()
        assert refused.value.code == "locked"
        assert "laptop stolen" in refused.value.message
        assert "since 2027-01-15 08:00:00 UTC" in refused.value.message


def test_t61_so_does_every_account_that_an_address_links_to_it(ca: Installation) -> None:
    twin = Person("a-99", (), "ALICE@Example.com", verified=False, provider="partner")
    further = Person("a-98", ("SRE",), "alice@example.com")
    login = ca.native(ALICE)
    other = ca.web(twin)
    lock(ca, "person", subject(ca, login))
    for attempt in (lambda: ca.say(m.ReadHosts(other), m.HostsReply), lambda: ca.web(twin), lambda: ca.native(further)):
        with pytest.raises(Refused) as refused:
            attempt()
        assert refused.value.code == "locked"
    assert ca.web(CAROL)


def test_a_chain_of_addresses_is_one_person(ca: Installation) -> None:
    middle = Person("m-1", (), "one@example.com")
    first = ca.web(middle)
    ca.web(replace(middle, email="two@example.com"))
    end = ca.web(Person("m-2", (), "two@example.com", provider="partner"))
    lock(ca, "person", subject(ca, end))
    with pytest.raises(Refused, match="is locked since"):
        ca.say(m.ReadHosts(first), m.HostsReply)


def test_a_locked_sign_in_alone_is_over(ca: Installation) -> None:
    login, request, certificate = granted(ca)
    other = ca.native(ALICE)
    second = ca.say(m.SignUser(other, request.id), m.CertificateReply).certificate
    assert lock(ca, "login", login).certificates == 1
    assert revoked(ca, certificate)
    assert not revoked(ca, second)
    assert ca.say(m.SignUser(other, request.id), m.CertificateReply)
    with pytest.raises(Refused, match="is locked since"):
        ca.say(m.SignUser(login, request.id), m.CertificateReply)


def test_a_locked_host_lets_nobody_new_in(ca: Installation) -> None:
    login, request, certificate = granted(ca)
    lock(ca, "host", "web1")
    assert revoked(ca, certificate)
    with pytest.raises(Refused, match="the host web1 is locked since"):
        ca.ask(login, "web1")
    with pytest.raises(Invalid):
        ca.say(m.SignUser(login, request.id), m.CertificateReply)
    assert ca.ask(ca.native(DANA), "db1").request.state == "pending"


def test_what_waits_for_a_locked_host_is_not_approved(ca: Installation) -> None:
    request = ca.ask(ca.native(DANA), "db1").request
    lock(ca, "host", "db1")
    with pytest.raises(Refused, match="the host db1 is locked"):
        ca.approve(ca.web(BOB), request)


def test_what_a_locked_person_asked_for_is_not_approved(ca: Installation) -> None:
    login = ca.native(DANA)
    request = ca.ask(login, "db1").request
    lock(ca, "person", "partner/Dana@example.com")
    with pytest.raises(Refused) as refused:
        ca.approve(ca.web(BOB), request)
    assert refused.value.code == "locked"


def test_a_locked_key_is_nobodys(ca: Installation) -> None:
    login, request, certificate = granted(ca)
    fingerprint = ca.logins[login].fingerprint
    assert lock(ca, "key", fingerprint).certificates == 1
    assert revoked(ca, certificate)
    for attempt in (lambda: ca.say(m.SignUser(login, request.id), m.CertificateReply), lambda: ca.native(ALICE)):
        with pytest.raises(Refused, match="is locked since"):
            attempt()
    assert ca.say(m.ReadRequests(ca.web(ALICE), "mine", 9, None), m.RequestsReply).requests[0].state == "approved"


def test_a_lock_on_everything_stops_everything_but_unlocking(ca: Installation) -> None:
    login, request, certificate = granted(ca)
    waiting = ca.ask(ca.native(DANA), "db1").request
    bob = ca.web(BOB)
    reply = lock(ca, "everything", None)
    assert revoked(ca, certificate)
    key = ca.key(CAROL).with_suffix(".pub").read_text()
    for attempt in (
        lambda: ca.ask(login, "web1"),
        lambda: ca.approve(bob, waiting),
        lambda: ca.web(CAROL),
        lambda: ca.native(CAROL),
        lambda: ca.add_host("web2", env="staging"),
        lambda: ca.say(m.AddHost("web3", (), "192.0.2.1", 22, (("env", "prod"),), (key,)), m.HostReply, "admin"),
    ):
        with pytest.raises(Refused, match="everything is locked since"):
            attempt()
    ca.say(m.Unlock(None, reply.lock.id, "false alarm", None), m.Done, "admin")
    assert state_of(ca, request) == "revoked"
    assert ca.ask(login, "web1").certificate


def test_locks_outlive_a_restart_and_end_by_unlocking_alone(ca: Installation) -> None:
    login, _, _ = granted(ca)
    reply = lock(ca, "person", subject(ca, login))
    ca.restart()
    ca.later(90 * 24 * 3600)
    with pytest.raises(Refused, match="is locked since"):
        ca.native(ALICE)
    ca.say(m.Unlock(None, reply.lock.id, "laptop found", None), m.Done, "admin")
    with pytest.raises(Refused):
        ca.ask(login, "web1")  # what was signed out stays so
    assert ca.ask(ca.native(ALICE), "web1").certificate


def test_t55_what_a_lock_revoked_stays_on_the_list_until_its_grant_is_over(ca: Installation) -> None:
    login, _, certificate = granted(ca)
    reply = lock(ca, "login", login)
    ca.say(m.Unlock(None, reply.lock.id, "laptop found", None), m.Done, "admin")
    ca.later(8 * 3600 - 1)
    assert revoked(ca, certificate)
    ca.later(1)
    assert not revoked(ca, certificate)


def test_t46_locking_over_the_web_needs_the_permission(ca: Installation) -> None:
    target = subject(ca, ca.web(CAROL))
    for login in (ca.web(ALICE), None):
        with pytest.raises(Refused) as refused:
            ca.say(m.Lock(login, "person", target, "x"), m.LockReply, "web")
        assert refused.value.code == "not_permitted"
        with pytest.raises(Refused):
            ca.say(m.ReadLocks(login), m.LocksReply, "web")
    reply = lock(ca, "person", target, ca.web(BOB))
    assert (reply.lock.title, reply.lock.by) == ("c-3 (acme)", "b-2 (acme)")
    assert ca.say(m.ReadLocks(None), m.LocksReply, "admin").locks == (reply.lock,)


def test_t53_unlocking_over_the_web_needs_permission_and_signature(ca: Installation) -> None:
    ca.change_policy(*ADMIN_POLICY)
    known = lock(ca, "person", subject(ca, ca.web(CAROL))).lock
    bob, alice = ca.native(BOB), ca.native(ALICE)
    plain = m.Unlock(bob, known.id, "sorted out", None)
    for message, code in (
        (plain, "signature_needed"),
        (replace(plain, login_id=None), "not_permitted"),
        (act(ca, alice, by(ca.key(ALICE)), plain), "not_permitted"),
        (act(ca, bob, by(ca.key(ALICE)), plain), "signature_refused"),
        (replace(act(ca, bob, by(ca.key(BOB)), plain), reason="something else"), "signature_refused"),
    ):
        with pytest.raises(Refused) as refused:
            ca.say(message, m.Done, "web")
        assert refused.value.code == code
    ca.say(act(ca, bob, by(ca.key(BOB)), plain), m.Done, "web")
    assert ca.say(m.ReadLocks(bob), m.LocksReply).locks == ()


@pytest.mark.parametrize(
    ("kind", "target", "code"),
    [
        ("person", "acme/nobody@example.com", "unknown_person"),
        ("person", None, "bad_message"),
        ("host", "web7", "unknown_host"),
        ("login", "login-0", "unknown_login"),
        ("key", "MD5:aa", "bad_fingerprint"),
        ("everything", "web1", "bad_message"),
    ],
)
def test_what_cannot_be_locked(ca: Installation, kind: m.LockKind, target: str | None, code: str) -> None:
    with pytest.raises(Invalid) as invalid:
        lock(ca, kind, target)
    assert invalid.value.code == code


def test_a_lock_is_made_once_and_with_a_reason(ca: Installation) -> None:
    lock(ca, "host", "web1")
    with pytest.raises(Invalid) as again:
        lock(ca, "host", "web1")
    assert again.value.code == "already_locked"
    with pytest.raises(Invalid) as silent:
        ca.say(m.Lock(None, "host", "db1", " "), m.LockReply, "admin")
    assert silent.value.code == "no_reason"


def test_a_person_with_two_accounts_is_named_by_one_of_them(ca: Installation) -> None:
    ca.web(ALICE)
    ca.web(replace(ALICE, sub="a-2"))
    with pytest.raises(Invalid) as which:
        lock(ca, "person", "acme/alice@example.com")
    assert which.value.code == "which_person"
    assert lock(ca, "person", "acme/a-2").logins == 2


def test_a_revoked_sign_in_takes_what_it_drew_with_it(ca: Installation) -> None:
    login, request, certificate = granted(ca)
    reply = ca.say(m.Revoke(None, None, None, login, "laptop lost"), m.RevokeReply, "admin")
    assert reply.certificates == 1
    assert revoked(ca, certificate)
    assert newest(ca).ended == ()
    with pytest.raises(Refused) as over:
        ca.say(m.SignUser(login, request.id), m.CertificateReply)
    assert over.value.code == "login_over"
    assert ca.say(m.SignUser(ca.native(ALICE), request.id), m.CertificateReply)
    with pytest.raises(Invalid):
        ca.say(m.Revoke(None, None, None, login, "again"), m.RevokeReply, "admin")


LOCK_LIES: list[dict[str, Any]] = [
    {"title": "the host test9", "target": "test9", "kind": "host"},
    {"title": "Carol (acme)"},
    {"reason": "only a drill"},
    {"by": "Dana (partner)"},
    {"since": 1},
]


@pytest.mark.parametrize("lie", LOCK_LIES, ids=lambda lie: next(iter(lie)))
def test_t71_an_admin_who_was_shown_another_lock_unlocks_nothing(ca: Installation, lie: dict[str, Any]) -> None:
    ca.change_policy(*ADMIN_POLICY)
    stolen = lock(ca, "person", subject(ca, ca.web(ALICE))).lock
    bob = ca.native(BOB)
    shown = replace(as_shown(ca, m.Unlock(bob, stolen.id, "over", None)).shown, **lie)  # type: ignore[type-var]
    deceived = act(ca, bob, by(ca.key(BOB)), m.Unlock(bob, stolen.id, "over", None, shown))
    with pytest.raises(Invalid) as differs:
        ca.say(deceived, m.Done, "web")
    assert differs.value.code == "shown_differs"
    honest = as_shown(ca, replace(deceived, shown=None))
    with pytest.raises(Refused) as refused:
        ca.say(replace(deceived, shown=honest.shown), m.Done, "web")
    assert refused.value.code in ("signature_refused", "challenge_over"), "what was shown is signed"
    assert stolen.id in ca.context.state.locks


def test_t71_a_signature_over_an_opaque_id_alone_is_too_old(ca: Installation) -> None:
    ca.change_policy(*ADMIN_POLICY)
    known = lock(ca, "person", subject(ca, ca.web(ALICE))).lock
    bob = ca.native(BOB)
    signed = act(ca, bob, by(ca.key(BOB)), m.Unlock(bob, known.id, "over", None))
    with pytest.raises(Refused) as refused:
        ca.say(replace(signed, shown=None), m.Done, "web")
    assert (refused.value.code, "upgrade ssh-jit to 0.2.0" in refused.value.hint) == ("too_old", True)
    ca.say(signed, m.Done, "web")
    assert not ca.context.state.locks


def test_ids_that_are_not_there_and_those_of_others_answer_alike(ca: Installation) -> None:
    """Carol, who may nothing, feels for requests and locks; whether they are there makes no difference."""
    ca.change_policy(*ADMIN_POLICY)
    there, known = ca.ask(ca.native(DANA), "db1").request, lock(ca, "host", "web1").lock.id
    carol = ca.native(CAROL)
    questions: list[Callable[[str], m.Message]] = [
        lambda it: m.Approve(carol, it, there.digest, "", None),
        lambda it: m.Deny(carol, it, there.digest, "no", None),
        lambda it: m.Comment(carol, it, "x"),
        lambda it: m.Review(carol, it, "justified", ""),
        lambda it: m.ReadRequest(carol, it),
        lambda it: m.Cancel(carol, it),
        lambda it: m.End(carol, it),
        lambda it: m.Extend(carol, it, "CHG-1", ""),
        lambda it: m.SignUser(carol, it),
        lambda it: m.Revoke(carol, it, None, None, "x"),
        lambda it: m.Unlock(carol, it, "x", None),
    ]
    for question in questions:
        is_lock = isinstance(question(""), m.Unlock)
        answers = []
        for named in (known, "lock-0123456789") if is_lock else (there.id, "req-0123456789"):
            with pytest.raises((Invalid, Refused)) as answered:
                ca.say(question(named), m.Reply, "web")
            answers.append((answered.value.code, answered.value.message, answered.value.hint))
        assert answers[0] == answers[1], question(there.id)


def test_a_sign_in_that_is_over_answers_as_one_that_never_was(ca: Installation) -> None:
    over = ca.native(CAROL)
    ca.say(m.Logout(over), m.Done)
    answers = []
    for login_id in (over, "login-0123456789"):
        with pytest.raises(Refused) as refused:
            ca.ask(login_id, "web1")
        answers.append((refused.value.code, refused.value.message, refused.value.hint))
    assert answers[0] == answers[1]
    assert answers[0][0] == "login_over"


def reach(ca: Installation, kind: m.LockKind, target: str | None, login: str | None = None) -> m.ReachReply:
    message = m.ReadReach(login, kind, target)
    return ca.say(message, m.ReachReply, "admin" if login is None else "web")


def test_what_a_lock_would_end_is_said_before_and_is_what_it_ends(ca: Installation) -> None:
    login, request, _ = granted(ca)
    bob = ca.web(BOB)
    targets: dict[m.LockKind, str | None] = {"person": "acme/alice@example.com", "host": "web1", "everything": None}
    for kind, target in targets.items():
        assert [each.id for each in reach(ca, kind, target, bob).requests] == [request.id]
    foreseen = reach(ca, "person", "acme/alice@example.com", bob)
    assert (foreseen.title, foreseen.locked_by) == ("alice (acme)", "") or foreseen.title.endswith("(acme)")
    assert ca.kinds().count("lock") == 0
    done = lock(ca, "person", "acme/alice@example.com", bob)
    assert (foreseen.grants, foreseen.logins, foreseen.certificates) == (done.requests, done.logins, done.certificates)
    after = reach(ca, "person", subject(ca, login), bob)
    assert (after.grants, after.logins, after.certificates, after.locked_by) == (0, 0, 0, done.lock.id)


def test_what_is_not_there_is_said_before_the_lock_too(ca: Installation) -> None:
    bob = ca.web(BOB)
    wrongs: list[tuple[m.LockKind, str, str]] = [
        ("host", "web9", "unknown_host"),
        ("person", "acme/nobody@example.com", "unknown_person"),
        ("login", "login-nobody", "unknown_login"),
        ("key", "SHA256:x", "bad_fingerprint"),
    ]
    for kind, target, code in wrongs:
        with pytest.raises(Invalid) as wrong:
            reach(ca, kind, target, bob)
        assert wrong.value.code == code
    with pytest.raises(Refused) as refused:
        reach(ca, "host", "web1", ca.web(ALICE))
    assert refused.value.code == "not_permitted"


def test_whoever_may_lock_is_told_who_is_signed_in_and_auditors_are_not(ca: Installation) -> None:
    ca.change_policy('audit = ["lead"]', 'audit = ["lead", "sre"]')
    bob, alice = ca.web(BOB), ca.web(ALICE)
    assert ca.say(m.ReadLocks(bob), m.LocksReply).people == ("acme/alice@example.com", "acme/bob@example.com")
    assert ca.say(m.ReadLocks(alice), m.LocksReply).people == ()
