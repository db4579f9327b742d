"""The front end is stolen: everything that its pages can say, again and mixed, and what each could be bent to.

Beside ``test_stolen_front_end.py``: asking by label, for later, past the rules and for longer, approving for less,
remarks, reviews, explanations, the feed. The story here says every message that the web socket takes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from sshjit import ca_protocol as m
from sshjit import signed_actions, sshkey, wire
from sshjit.errors import SshJitError
from sshjit_ca import config
from sshjit_ca.oidc.logout_tokens import EVENT
from sshjit_ca.routes import ROUTES
from tests.support import job_issuer
from tests.support import soft_authenticator as soft
from tests.support.break_glass import GLASS, REASON, break_glass, review
from tests.support.installation import ALICE, BOB, CAROL, DANA, Installation, Person
from tests.support.issuer import WEB_CLIENT
from tests.support.issuer import listening as serving_tokens
from tests.support.signatures import act, by, challenge, lines_of
from tests.support.soft_authenticator import Authenticator
from tests.support.stolen_front_end import Stolen, certificates, listening, mixed, steal

EXTEND = ('pending = "30m"\nuse_by', 'pending = "30m"\nextend = { count = 2, by = "30m" }\nuse_by')
EXPLAIN = ('review = ["lead"]', 'review = ["lead"]\nexplain = ["lead"]\npasskeys = ["lead"]')
RESTRICTIVE = (m.Logout, m.EndLogins, m.ProviderLogout, m.Cancel, m.End, m.Deny, m.Revoke, m.Lock, m.RemovePasskey)


@pytest.fixture
def stolen(ca: Installation) -> Iterator[Stolen]:
    """A thief who also carried what the pages can say besides asking and approving."""
    with serving_tokens(job_issuer.JobIssuer()) as github:
        file = ca.home / "providers.toml"
        file.write_text(file.read_text() + job_issuer.table("github", github))
        settings = ca.home / "ca.toml"
        settings.write_text(settings.read_text() + soft.PASSKEYS)
        ca.config = config.load(settings)
        ca.restart()
        found = steal(ca)
        ca.change_policy(*EXTEND)
        ca.change_policy(*GLASS)
        ca.change_policy(*EXPLAIN)
        with listening(found):
            _another_day(ca, github)
        yield found


def _another_day(ca: Installation, github: job_issuer.JobIssuer) -> None:
    key, audience = job_issuer.key_and_audience(ca.home)
    ca.say(job_issuer.message(ca, "github", github.token(audience, ca.time), key), m.LoginReply)
    alice, dana, bob, carol = ca.native(ALICE), ca.native(DANA), ca.native(BOB), ca.native(CAROL)
    grant = next(each for each in ca.context.state.requests.values() if each.used and each.asked.login == "postgres")
    asked = ca.say(m.Extend(dana, grant.id, "CHG-7 takes longer", "192.0.2.7"), m.AskReply).request
    ca.say(shorter(ca, bob, asked, 600), m.RequestReply)
    ca.say(m.Extend(dana, grant.id, "CHG-7 takes still longer", "192.0.2.7"), m.AskReply)
    ca.say(m.Comment(dana, grant.id, "nearly done"), m.RequestReply)
    glass = break_glass(ca, alice).request
    ca.say(m.Comment(bob, glass.id, "what happened?"), m.RequestReply)
    review(ca, bob, glass)
    break_glass(ca, ca.web(ALICE), login="root", host="web9")
    for label in (("env", "staging"), ("role", "db")):
        ca.say_all([m.Ask(alice, (), None, "shell", None, None, "CHG-8", True, "192.0.2.7", (label,))])  # noqa: FBT003
    later = ca.ask(dana, "db1", start=int(ca.time) + 3600, certificate=False).request
    ca.say(m.Cancel(dana, later.id), m.RequestReply)
    for person in (None, "b-2"):
        ca.say_all([explain(carol, person), explain(bob, person)])
    ended = ca.ask(alice, "web1", duration=60).request
    ca.say(m.End(alice, ended.id), m.RequestReply)
    denied = ca.ask(dana, "db1", login="postgres", action="migrate", start=int(ca.time) + 7200).request
    ca.say(m.Deny(bob, denied.id, denied.digest, "no", None), m.RequestReply)
    _passkeys(ca, alice, bob, denied)
    reads = (
        m.ReadLogin(bob), m.ReadRequest(bob, grant.id), m.ReadRequests(bob, "all", 100, None), m.ReadFeed(-1, 100),
        m.ReadLogins(bob), m.ReadPolicy(None), m.ReadLocks(bob), m.ReadHosts(bob), m.ReadLog(bob, None, 100),
        m.ReadReach(bob, "everything", None), m.ReadHostHealth(bob, ("db1",)),
        m.ReadTile("checkpoint"), m.ReadCosigned(), m.ReadPolicies(bob), m.ReadBundle(None), m.Health(),
        m.ReadMetrics(), m.ReadPasskeys(bob, everybody=True),
    )  # fmt: skip
    ca.say_all(list(reads))
    ca.say(m.Revoke(bob, glass.id, None, None, "it is over"), m.RevokeReply)
    ca.say(act(ca, bob, by(ca.key(BOB)), m.RemoveHost("web9", "done", None, None)), m.Done)
    ca.say(m.EndLogins(carol, None), m.LoginsReply)
    ca.say(m.Logout(carol), m.Done)
    ca.web(CAROL)
    ca.say(m.ProviderLogout("acme", provider_logout(ca, CAROL)), m.Done)


def _passkeys(ca: Installation, alice: str, bob: str, request: m.RequestView) -> None:
    """Alice registers two passkeys; Bob accepts one, she removes the other; a thief has what one of his signed."""
    one, other = Authenticator(credential=b"one"), Authenticator(credential=b"other")
    first, second = soft.register(ca, ALICE, one), soft.register(ca, ALICE, other)
    native = ca.native(ALICE)
    offer = ca.say(m.OfferPasskey(native), m.PasskeyOfferReply)
    ca.say(m.ReadPasskeyOffer(native, offer.code), m.PasskeyOfferReply)
    shown = wire.fill(m.ShownPasskey, first)
    ca.say(act(ca, bob, by(ca.key(BOB)), m.AcceptPasskey(None, first.id, None, shown)), m.PasskeysReply)
    ca.say(m.RemovePasskey(alice, second.id, "lost"), m.PasskeysReply)
    soft.registered(ca, BOB, Authenticator(credential=b"bob's"))
    asked = ca.say(m.ReadPasskeyChallenge(bob, request.id, "", None), m.PasskeyChallengeReply)
    given = Authenticator(credential=b"bob's").sign(asked.text.encode(), asked.challenge)
    ca.say_all([m.Approve(bob, request.id, request.digest, "", None, None, given)])


def provider_logout(ca: Installation, person: Person) -> str:
    """The provider's word that somebody's sessions are over."""
    issuer, now = ca.issuers[person.provider], int(ca.time)
    claims = {"iss": issuer.url, "aud": WEB_CLIENT, "iat": now, "jti": "one", "sub": person.sub, "events": {EVENT: {}}}
    return issuer.sign(claims)


def shorter(ca: Installation, login: str, request: m.RequestView, duration: int) -> m.Approve:
    """Bob's signed yes for less than was asked."""
    fresh = challenge(ca, login)
    text = signed_actions.approval_text(request, "approve", "go", fresh, ca.config.installation, duration=duration)
    given = m.ActionSignature(fresh, by(ca.key(BOB))(signed_actions.APPROVE_NAMESPACE, text))
    return m.Approve(login, request.id, request.digest, "go", given, duration)


def explain(login: str | None, person: str | None) -> m.Explain:
    return m.Explain(login, person, ("db1",), (), None, "shell", None, None, "CHG-7", None, False, "")  # noqa: FBT003


def windows(stolen: Stolen) -> dict[str, int | None]:
    """When the window of each grant closes."""
    return {each.id: each.ends for each in stolen.ca.context.state.requests.values() if each.approved is not None}


def own_keys(stolen: Stolen) -> set[str]:
    people = tuple(stolen.ca.key(person) for person in (ALICE, BOB, CAROL, DANA))
    return {*lines_of(people), *lines_of(stolen.keys)}


def refused(said: m.Reply | SshJitError) -> str:
    assert isinstance(said, SshJitError), said
    return said.code


def test_the_story_says_every_message_of_the_web_door(stolen: Stolen) -> None:
    taken = {kind for kind, route in ROUTES.items() if "web" in route.sockets}
    assert {type(message) for message in stolen.carried} == taken


@pytest.mark.parametrize("later", [0, 3600 * 9])
def test_everything_again_gives_nothing_new(stolen: Stolen, later: int) -> None:
    stolen.ca.later(later)
    before, state = windows(stolen), stolen.ca.context.state
    hosts, logins, locks = dict(state.hosts), set(state.logins), set(state.locks)
    for message in stolen.carried:
        for certificate in certificates(stolen.say(message)):
            assert certificate.key.line in own_keys(stolen)
    after = windows(stolen)
    assert {name: after[name] for name in before} == before
    # What a person asked for by their own sign-in can be asked for again while that lives: by the same rule, marked.
    assert {stolen.ca.context.state.requests[name].how for name in after.keys() - before.keys()} <= {
        "automatic",
        "break_glass",
    }
    state = stolen.ca.context.state
    assert (state.hosts, set(state.locks) - locks) == (hosts, set())
    assert set(state.logins) <= logins


def test_everything_mixed_approves_and_lengthens_nothing(stolen: Stolen) -> None:
    before, state = windows(stolen), stolen.ca.context.state
    hosts, locks, count, passkeys = dict(state.hosts), len(state.locks), 0, dict(state.passkeys)
    for message in mixed(stolen):
        if isinstance(message, RESTRICTIVE):
            continue
        count += 1
        for certificate in certificates(stolen.say(message)):
            line = certificate.key.line
            assert line in own_keys(stolen)
            subject = stolen.ca.context.state.bound_keys.get(sshkey.parse_line(line).fingerprint)
            assert subject is None or certificate.key_id.split()[1] == subject
    assert count > 2000
    after, state = windows(stolen), stolen.ca.context.state
    assert {name: after[name] for name in before} == before
    assert (state.hosts, len(state.locks), state.passkeys) == (hosts, locks, passkeys)
    for name in after.keys() - before.keys():
        assert state.requests[name].how in ("automatic", "break_glass")
        assert not state.requests[name].decisions


def test_more_time_is_signed_for_like_the_first(stolen: Stolen) -> None:
    ca, state = stolen.ca, stolen.ca.context.state
    (waiting,) = (each for each in state.requests.values() if each.asked.extends and each.state == "pending")
    grant = state.requests[waiting.asked.extends or ""]
    bob, alice = ca.web(BOB), ca.web(ALICE)
    digest = stolen.say(m.ReadRequest(bob, waiting.id))
    assert isinstance(digest, m.RequestReply)
    assert refused(stolen.say(m.Approve(bob, waiting.id, digest.request.digest, "go", None))) == "signature_needed"
    consents = [each.consent for each in stolen.carried if isinstance(each, m.Approve) and each.consent]
    assert consents
    for consent_ in consents:
        for login in stolen.logins(kind="native"):
            said = stolen.say(m.Approve(login, waiting.id, digest.request.digest, "go", consent_))
            assert refused(said) in (
                "unknown_request",
                "challenge_over",
                "signature_refused",
                "not_an_approver",
                "own_request",
                "login_over",
            )
    assert refused(stolen.say(m.Extend(alice, grant.id, "mine", ""))) in ("not_yours", "unknown_request")
    assert ca.context.state.requests[grant.id].ends == grant.ends


def test_a_yes_for_less_is_not_made_one_for_more(stolen: Stolen) -> None:
    """Bob signs for ten minutes; the thief holds it back and hands in what suits it better."""
    ca = stolen.ca
    dana, bob = ca.native(DANA), ca.native(BOB)
    ca.later(3600 * 2)
    asked = ca.ask(dana, "db1").request
    for changed in ({"duration": None}, {"duration": 3600}, {"duration": 1}, {"comment": "all day"}):
        said = shorter(ca, bob, asked, 600)
        assert refused(stolen.say(replace(said, **changed))) == "signature_refused"
        assert refused(stolen.say(said)) == "challenge_over"
        assert ca.context.state.requests[asked.id].state == "pending"
    assert isinstance(stolen.say(shorter(ca, bob, asked, 600)), m.RequestReply)
    request = ca.context.state.requests[asked.id]
    assert request.ends == int(ca.time) + 600


def test_a_window_begins_neither_before_now_nor_before_its_time(stolen: Stolen) -> None:
    ca = stolen.ca
    alice, native = ca.web(ALICE), ca.native(ALICE)
    past = ca.ask(alice, "web1", start=1, certificate=False, duration=120).request
    assert (past.start, past.ends) == (None, int(ca.time) + 120)
    later = ca.ask(alice, "web1", start=int(ca.time) + 600, certificate=True).request
    assert refused(stolen.say(m.SignUser(native, later.id))) == "not_yet"
    for start in (int(ca.time) + 31 * 86400, 2**62):
        far = m.Ask(alice, ("web1",), None, "shell", None, None, "", False, "", (), start)  # noqa: FBT003
        assert refused(stolen.say(far)) == "bad_start"


def test_labels_name_no_more_than_policy_gives(stolen: Stolen) -> None:
    ca = stolen.ca
    alice = ca.web(ALICE)
    everything = m.Ask(alice, (), None, "shell", None, None, "CHG-7", True, "")  # noqa: FBT003
    assert refused(stolen.say(everything)) == "no_host"
    for labels in ((("env", "prod"),), (("role", "db"),)):
        assert refused(stolen.say(replace(everything, labels=labels))) == "no_rule"
    said = stolen.say(replace(everything, labels=(("env", "staging"),)))
    assert isinstance(said, m.AskReply)
    assert (said.request.hosts, said.certificate) == (("web1",), None)


def test_glass_broken_by_a_thief_is_marked_rings_and_opens_to_nobody_s_key_but_the_person_s(stolen: Stolen) -> None:
    ca = stolen.ca
    ca.later(3600)
    alice = ca.web(ALICE)
    said = stolen.say(
        m.Ask(alice, ("db1",), None, "shell", None, None, REASON, True, "", break_glass=True)  # noqa: FBT003
    )
    assert isinstance(said, m.AskReply)
    assert (said.certificate, said.request.break_glass, said.request.channel) == (None, True, "web")
    assert said.request.review_by is not None
    assert refused(stolen.say(m.SignUser(alice, said.request.id))) == "not_native"
    for login in stolen.logins(kind="native"):
        for certificate in certificates(stolen.say(m.SignUser(login, said.request.id))):
            assert certificate.key.line == lines_of((ca.key(ALICE),))[0]
    assert refused(stolen.say(m.Review(alice, said.request.id, "justified", ""))) in ("not_permitted", "own_request")


def test_nobody_s_word_is_put_where_they_may_not_speak(stolen: Stolen) -> None:
    ca = stolen.ca
    carol, alice = ca.web(CAROL), ca.web(ALICE)
    danas = next(each.id for each in ca.context.state.requests.values() if each.asked.login == "postgres")
    for login in (carol, alice):
        assert refused(stolen.say(m.Comment(login, danas, "approved by phone"))) == "unknown_request"
        assert refused(stolen.say(m.Review(login, danas, "justified", ""))) == "not_permitted"
        assert refused(stolen.say(m.ReadRequest(login, danas))) == "unknown_request"
        for scope in ("all", "review"):
            assert refused(stolen.say(m.ReadRequests(login, scope, 100, None))) == "not_permitted"


def test_explanations_are_for_oneself_and_those_who_may(stolen: Stolen) -> None:
    ca = stolen.ca
    carol, alice = ca.web(CAROL), ca.web(ALICE)
    people = [*ca.context.state.newest_login, "bob@example.com", "b-2", "nobody-at-all"]
    assert refused(stolen.say(explain(None, None))) == "not_permitted"
    for person in people:
        assert refused(stolen.say(explain(None, person))) == "not_permitted"
    for login in (carol, alice):
        own = ca.context.state.logins[login].opened.subject
        for person in people:
            said = stolen.say(explain(login, person))
            if person == own:
                assert isinstance(said, m.ExplainReply)
            else:
                assert refused(said) == "not_permitted"  # whether or not there is such a person


def text_of(said: m.Reply) -> str:
    return json.dumps(wire.encode(said), ensure_ascii=False)


def test_the_feed_tells_no_secret_and_changes_nothing(stolen: Stolen) -> None:
    ca = stolen.ca
    before = ca.context.journal.size
    said = stolen.say(m.ReadFeed(-1, 100))
    assert isinstance(said, m.FeedReply)
    text = text_of(said)
    assert len(said.items) > 10
    for login in ca.context.state.logins:
        assert login not in text
    for line in own_keys(stolen):
        assert line.split()[1] not in text
        assert sshkey.parse_line(line).fingerprint not in text
    assert "cert-v01" not in text
    assert ca.context.journal.size == before
    for after, limit in ((-2, 10), (2**60, 10), (-1, 0), (-1, 101)):
        assert refused(stolen.say(m.ReadFeed(after, limit))) in ("bad_limit", "bad_position")


def test_t50_t54_what_a_host_joins_by_is_told_at_the_admin_door_alone(stolen: Stolen) -> None:
    ca = stolen.ca
    bob = ca.native(BOB)
    added = stolen.say(act(ca, bob, by(ca.key(BOB)), m.AddHost("web5", (), "192.0.2.5", 22, (("env", "staging"),), ())))
    assert isinstance(added, m.HostReply)
    assert (added.invitation, added.certificates) == (None, ())
    assert ROUTES[m.InviteHost].sockets == {"admin"}
    made = ca.say(m.InviteHost("web5"), m.HostReply, "admin").invitation
    assert made is not None
    reads = (m.ReadHosts(bob), m.ReadLog(bob, None, 100), m.ReadFeed(-1, 100), m.ReadPolicy(None), m.ReadBundle(None))
    for message in (*reads, m.ReadRequests(bob, "all", 100, None), m.Health()):
        said = stolen.say(message)
        assert not isinstance(said, SshJitError)
        assert made.token not in text_of(said)
