"""The front end is stolen, with its database, its secrets, and every message that it ever carried.

What it gets is what the design says it can still do: ask in the name of whoever is signed in, give approvals that need
no signature, take access away, lie about addresses, say nothing at all. It never gets a certificate for a key that is
not the person's own, never opens what needs a signature, never changes a host, a label or a lock for the laxer.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from sshjit import ca_protocol as m
from sshjit import login as binding
from sshjit import sshcert, sshkey
from sshjit.errors import SshJitError
from sshjit_ca.routes import ROUTES
from tests.support.installation import ALICE, BOB, DANA, Installation, ssh_sign
from tests.support.issuer import NATIVE_CLIENT, WEB_CLIENT
from tests.support.signatures import lines_of
from tests.support.stolen_front_end import Stolen, certificates, mixed, steal

RESTRICTIVE = (m.Logout, m.Cancel, m.End, m.Deny, m.Revoke, m.Lock)


@pytest.fixture
def stolen(ca: Installation) -> Stolen:
    """A thief with everything that the front end ever knew."""
    return steal(ca)


def hosts(stolen: Stolen) -> dict[str, object]:
    return dict(stolen.ca.context.state.hosts)


def open_grants(stolen: Stolen) -> set[str]:
    return {each.id for each in stolen.ca.context.state.requests.values() if each.approved is not None}


def own_keys(stolen: Stolen) -> set[str]:
    """The keys of the people and hosts of the story."""
    people = [stolen.ca.key(person) for person in (ALICE, BOB, DANA)]
    return {*lines_of(tuple(people)), *lines_of(stolen.keys)}


def signed_requests(stolen: Stolen) -> set[str]:
    """The requests that the log calls signed."""
    return {request.id for request in stolen.ca.context.state.requests.values() if request.asked.signed}


def test_the_story_carries_every_message_that_gives_something(stolen: Stolen) -> None:
    said = {type(message) for message in stolen.carried}
    assert said >= {m.LoginNative, m.LoginWeb, m.Ask, m.Approve, m.SignUser, m.AddHost, m.LabelHost, m.Unlock}
    assert said >= {m.JoinHost, m.SignHost, m.HostReport, m.ReadChallenge}


@pytest.mark.parametrize("later", [0, 60, 3600 * 9])
def test_everything_again_gives_nothing_new(stolen: Stolen, later: int) -> None:
    stolen.ca.later(later)
    before, opened, known = hosts(stolen), open_grants(stolen), set(stolen.ca.context.state.logins)
    for message in stolen.carried:
        for certificate in certificates(stolen.say(message)):
            assert certificate.key.line in own_keys(stolen)
    assert (hosts(stolen), open_grants(stolen)) == (before, opened)
    assert set(stolen.ca.context.state.logins) <= known


def test_everything_mixed_gives_no_certificate_for_another_key(stolen: Stolen) -> None:
    before, opened, locks = hosts(stolen), open_grants(stolen), len(stolen.ca.context.state.locks)
    signed = signed_requests(stolen)
    count = 0
    for message in mixed(stolen):
        if isinstance(message, RESTRICTIVE):
            continue
        count += 1
        for certificate in certificates(stolen.say(message)):
            line = certificate.key.line
            assert line in own_keys(stolen)
            if certificate.kind == sshcert.USER:
                (subject,) = {certificate.key_id.split()[1]}
                assert stolen.ca.context.state.bound_keys[sshkey.parse_line(line).fingerprint] == subject
    assert count > 500
    assert (hosts(stolen), len(stolen.ca.context.state.locks)) == (before, locks)
    assert (len(signed), signed_requests(stolen)) == (1, signed)
    for request in open_grants(stolen) - opened:
        assert stolen.ca.context.state.requests[request].how == "automatic"


def test_t48_a_flow_that_the_front_end_begins_binds_no_key(stolen: Stolen) -> None:
    """The thief chooses the nonce of a silent sign-in at the front end's own client: the hash of its own key."""
    ca, key, salt = stolen.ca, sshkey.parse_line(stolen.thief), b"s" * 16
    nonce = binding.nonce(key.blob, salt)
    token = ca.token(BOB, WEB_CLIENT, nonce)
    signature = ssh_sign(ca.home / "thief", binding.NAMESPACE, binding.signed_text(token))
    said = stolen.say(m.LoginNative("acme", token, key.line, binding.b64url(salt), signature, "192.0.2.1"))
    assert isinstance(said, SshJitError)
    assert said.code in ("wrong_audience", "wrong_nonce")
    web = stolen.say(m.LoginWeb("acme", ca.token(BOB, WEB_CLIENT, nonce), nonce, "192.0.2.1"))
    assert isinstance(web, m.LoginReply)
    assert web.login.fingerprint is None


def test_t48_a_native_token_on_its_way_is_bound_to_the_person_s_key(stolen: Stolen) -> None:
    """The thief holds a fresh native token back and hands it in with its own key, salt and signature."""
    ca, salt = stolen.ca, b"s" * 16
    honest = ca.native_message(BOB)
    thief = sshkey.parse_line(stolen.thief)
    signature = ssh_sign(ca.home / "thief", binding.NAMESPACE, binding.signed_text(honest.id_token))
    for message in (
        replace(honest, key=thief.line, signature=signature),
        replace(honest, key=thief.line, signature=signature, salt=binding.b64url(salt)),
        replace(honest, signature=signature),
        replace(honest, key=thief.line),
    ):
        said = stolen.say(message)
        assert isinstance(said, SshJitError)
        assert said.code in ("wrong_audience", "wrong_nonce", "signature_refused")
    assert isinstance(stolen.say(honest), m.LoginReply)


def test_t65_a_token_counts_once_whoever_brings_it(stolen: Stolen) -> None:
    tokens = [each for each in stolen.carried if isinstance(each, (m.LoginNative, m.LoginWeb))]
    assert tokens
    for message in tokens:
        said = stolen.say(message)
        assert isinstance(said, SshJitError)
        assert said.code == "token_used"


def test_a_web_token_does_not_sign_in_at_the_other_client(stolen: Stolen) -> None:
    token = stolen.ca.token(ALICE, NATIVE_CLIENT, "chosen")
    said = stolen.say(m.LoginWeb("acme", token, "chosen", "192.0.2.1"))
    assert isinstance(said, SshJitError)
    assert said.code in ("wrong_audience", "wrong_nonce")


def test_a_browser_s_login_draws_nothing(stolen: Stolen) -> None:
    for login in stolen.logins(kind="web"):
        for request in stolen.ca.context.state.requests:
            said = stolen.say(m.SignUser(login, request))
            assert isinstance(said, SshJitError)
            assert said.code in ("not_native", "unknown_request")  # the latter: whoever signed in may not see it


def test_it_cannot_approve_what_needs_a_signature(stolen: Stolen) -> None:
    waiting = [each for each in stolen.ca.context.state.requests.values() if each.state == "pending"]
    assert waiting
    given = [each.consent for each in stolen.carried if isinstance(each, m.Approve)]
    for request in waiting:
        for login in stolen.ca.logins:
            view = stolen.say(m.ReadRequest(login, request.id))
            digest = view.request.digest if isinstance(view, m.RequestReply) else "0" * 64
            fresh = stolen.say(m.ReadChallenge(login))
            forged = [
                m.ActionSignature(fresh.challenge, each.signature)
                for each in given
                if each is not None and isinstance(fresh, m.ChallengeReply)
            ]
            for consent in (None, *given, *forged):
                stolen.say(m.Approve(login, request.id, digest, "go", consent))
        assert stolen.ca.context.state.requests[request.id].state == "pending"


def test_operators_messages_are_not_taken_at_its_door(stolen: Stolen) -> None:
    operator = {kind for kind, route in ROUTES.items() if "web" not in route.sockets}
    assert operator >= {m.InviteHost, m.CertifyHost, m.RegisterHardwareKey, m.RemoveHardwareKey, m.Status}
    for message in (
        m.AddHost("web7", (), "192.0.2.7", 22, (("env", "staging"),), (stolen.thief,)),
        m.LabelHost("db1", (("env", "staging"),), None, None),
        m.RemoveHost("db1", "x", None, None),
        m.Unlock(None, "lock-0", "x", None),
        m.Lock(None, "everything", None, "x"),
        m.Revoke(None, next(iter(stolen.ca.context.state.requests)), None, None, "x"),
        m.ReadLog(None, None, 10),
    ):
        assert isinstance(stolen.say(message), SshJitError)
    assert set(hosts(stolen)) == {"web1", "db1", "web9"}


def test_what_it_can_still_do_is_in_the_log_as_it_was_done(stolen: Stolen) -> None:
    """It asks as Alice, who is signed in to its pages: the entry says so, and only Alice's own key can use it."""
    (web,) = [each for each in stolen.logins(kind="web") if stolen.ca.logins[each].person.name == ALICE.sub]
    stolen.ca.say(m.RemoveHost("web9", "done", None, None), m.Done, "admin")
    stolen.ca.add_host("web2", env="staging")
    request = stolen.ca.ask(web, "web2", address="198.51.100.1").request
    assert (request.channel, request.address, request.state) == ("web", "198.51.100.1", "approved")
    for login in stolen.logins(kind="native"):
        for certificate in certificates(stolen.say(m.SignUser(login, request.id))):
            assert certificate.key.line == lines_of((stolen.ca.key(ALICE),))[0]


def test_it_hears_of_a_logout_that_it_keeps_to_itself_only_as_long_as_the_login_lives(stolen: Stolen) -> None:
    stolen.ca.later(8 * 3600)
    for login in stolen.ca.logins:
        said = stolen.say(m.ReadHosts(login))
        assert isinstance(said, SshJitError)
        assert said.code == "login_over"
