"""Who may look at what: for who may lock, what they could end; for all others, no more than that there is nothing."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from sshjit import ca_protocol as m
from sshjit.errors import Invalid, Refused
from tests.support.installation import ALICE, BOB, CAROL, DANA, Installation, Person

DAY = 24 * 3600
GUARD = Person("g-7", ("Security",), "guard@example.com")
HOST_KEEPER = Person("h-8", ("Hosts",), "harry@example.com")
RULES = (
    (
        "[permissions]",
        'security = ["acme/group:Security"]\nhosts = ["acme/group:Hosts"]\n[permissions]\nhosts = ["hosts"]',
    ),
    (
        'lock = ["lead"]\naudit = ["lead"]',
        'lock = ["security"]\nunlock = ["hosts"]\nexplain = ["hosts"]\nreview = ["hosts"]',
    ),
    ('pending = "30m"\nuse_by', 'pending = "30m"\nextend = { count = 2, by = "30m" }\nuse_by'),
)


@pytest.fixture
def ca(ca: Installation) -> Installation:
    """A CA where ``security`` may lock and do nothing else, and ``hosts`` all but lock and audit."""
    for old, new in RULES:
        ca.change_policy(old, new)
    return ca


@dataclass
class Reader:
    """Somebody who asks the CA for requests by their ids."""

    ca: Installation
    person: Person

    def read(self, request_id: str) -> m.RequestReply:
        return self.ca.say(m.ReadRequest(self.ca.web(self.person), request_id), m.RequestReply)

    def refusal(self, request_id: str) -> tuple[str, str, str]:
        """Everything that is said instead of the request."""
        with pytest.raises(Invalid) as refused:
            self.read(request_id)
        return refused.value.code, refused.value.message, refused.value.hint


def opened(ca: Installation, login: str) -> m.RequestView:
    return ca.approve(ca.web(BOB), ca.ask(login, "db1").request, "go ahead")


def revoke(ca: Installation, request_id: str) -> None:
    ca.say(m.Revoke(ca.web(GUARD), request_id, None, None, "odd commands"), m.RevokeReply)


def test_who_may_lock_sees_the_grant_that_they_can_end_and_that_they_ended_it(ca: Installation) -> None:
    guard, dana = Reader(ca, GUARD), ca.native(DANA)
    before = opened(ca, dana)
    ca.say(m.End(dana, before.id), m.RequestReply)
    grant = opened(ca, dana)
    reply = guard.read(grant.id)
    assert (reply.request.requester.email, reply.request.hosts, reply.request.login) == (
        DANA.email,
        ("db1",),
        "postgres",
    )
    assert (reply.request.reason, reply.request.decisions[0].comment) == ("CHG-7 add index", "go ahead")
    assert (reply.because, reply.about is not None) == ((), True)
    revoke(ca, grant.id)
    after = guard.read(grant.id).request
    assert (after.state, after.closing) == ("revoked", "odd commands")


def test_requesters_are_told_nothing_about_themselves(ca: Installation) -> None:
    """Whoever decides is: who the requester is, what else is open, and for which roles they are asked."""
    dana = ca.web(DANA)
    request = ca.ask(dana, "db1").request
    own = ca.say(m.ReadRequest(dana, request.id), m.RequestReply)
    assert (own.about, own.because) == (None, ())
    assert Reader(ca, BOB).read(request.id).about is not None


def test_they_see_who_holds_it_and_what_else_is_open_and_nothing_of_the_past(ca: Installation) -> None:
    frank = Person("f-6", ("Database", "SRE"), "frank@example.com")
    login = ca.native(frank)
    past = ca.ask(login, "web1", duration=3600).request
    ca.say(m.End(login, past.id), m.RequestReply)
    live = ca.ask(login, "web1", duration=7200).request
    grant = opened(ca, login)
    about = Reader(ca, GUARD).read(grant.id).about
    assert about is not None
    assert (about.groups, about.address) == (("Database", "SRE"), "192.0.2.7")
    assert ([each.id for each in about.live], about.recent) == ([live.id], None)
    assert Reader(ca, GUARD).read(live.id).request.state == "approved"
    whole = Reader(ca, BOB).read(grant.id).about
    assert whole is not None
    assert [each.id for each in whole.recent or ()] == [past.id]


def test_what_cannot_be_ended_is_for_them_as_if_it_were_not(ca: Installation) -> None:
    guard, dana, bob = Reader(ca, GUARD), ca.native(DANA), ca.web(BOB)
    unknown = guard.refusal("req-none")
    waiting = ca.ask(dana, "db1").request
    assert guard.refusal(waiting.id) == unknown
    ca.say(m.Deny(bob, waiting.id, waiting.digest, "no", None), m.RequestReply)
    assert guard.refusal(waiting.id) == unknown
    taken_back = ca.ask(dana, "db1").request
    ca.say(m.Cancel(dana, taken_back.id), m.RequestReply)
    assert guard.refusal(taken_back.id) == unknown
    done, unused = opened(ca, dana), ca.ask(ca.native(ALICE), "web1").request
    assert guard.read(done.id).request.state == guard.read(unused.id).request.state == "approved"
    ca.say(m.End(dana, done.id), m.RequestReply)
    assert guard.refusal(done.id) == unknown
    ca.later(9 * 3600)
    assert guard.refusal(unused.id) == unknown


def test_more_time_is_seen_with_the_grant(ca: Installation) -> None:
    guard, dana = Reader(ca, GUARD), ca.native(DANA)
    grant = opened(ca, dana)
    ca.say(m.SignUser(dana, grant.id), m.CertificateReply)
    more = ca.say(m.Extend(dana, grant.id, "CHG-7 takes longer", ""), m.AskReply).request
    assert [each.id for each in guard.read(grant.id).extensions] == [more.id]
    assert guard.read(more.id).request.state == "pending"
    revoke(ca, more.id)  # which means the grant
    assert guard.read(more.id).request.extends == grant.id
    assert guard.read(grant.id).request.state == "revoked"
    other = opened(ca, dana)
    ca.say(m.SignUser(dana, other.id), m.CertificateReply)
    later = ca.say(m.Extend(dana, other.id, "CHG-7 takes longer", ""), m.AskReply).request
    ca.say(m.End(dana, other.id), m.RequestReply)
    assert guard.refusal(later.id) == guard.refusal("req-none")


@pytest.mark.parametrize("person", [CAROL, ALICE, HOST_KEEPER], ids=["carol", "alice", "every-other-permission"])
def test_for_others_an_open_grant_is_as_unknown_as_before(ca: Installation, person: Person) -> None:
    reader, dana = Reader(ca, person), ca.native(DANA)
    grant = opened(ca, dana)
    ca.say(m.SignUser(dana, grant.id), m.CertificateReply)
    more = ca.say(m.Extend(dana, grant.id, "CHG-7 takes longer", ""), m.AskReply).request
    unknown = reader.refusal("req-none")
    assert [reader.refusal(each) for each in (grant.id, more.id)] == [unknown, unknown]
    revoke(ca, grant.id)
    assert [reader.refusal(each) for each in (grant.id, more.id)] == [unknown, unknown]


def test_trying_to_end_it_tells_others_no_more(ca: Installation) -> None:
    certificate = ca.ask(ca.native(ALICE), "web1").certificate
    assert certificate is not None
    serial, sign_in = certificate.serial, next(iter(ca.logins))
    carol, said = ca.web(CAROL), set()
    for request, number, login in (
        (certificate.request, None, None),
        ("req-none", None, None),
        (None, serial, None),
        (None, serial + 1, None),
        (None, None, sign_in),
        (None, None, "login-none"),
    ):
        (answer,) = ca.say_all([m.Revoke(carol, request, number, login, "x")])
        assert isinstance(answer, Refused)
        said.add((answer.code, answer.message, answer.hint))
    assert len(said) == 1


def test_the_permission_is_the_one_of_now(ca: Installation) -> None:
    guard, grant = Reader(ca, GUARD), opened(ca, ca.native(DANA))
    assert guard.read(grant.id).request.id == grant.id
    ca.change_policy('lock = ["security"]', 'lock = ["hosts"]')
    assert guard.refusal(grant.id) == guard.refusal("req-none")


def test_seeing_is_not_speaking_nor_listing(ca: Installation) -> None:
    grant = opened(ca, ca.native(DANA))
    login = ca.web(GUARD)
    for message, code in (
        (m.Comment(login, grant.id, "who are you?"), "unknown_request"),
        (m.ReadRequests(login, "all", 10, None), "not_permitted"),
    ):
        (answer,) = ca.say_all([message])
        assert isinstance(answer, Invalid)
        assert answer.code == code


def test_a_revoked_grant_is_seen_for_as_long_as_the_log_has_it(ca: Installation) -> None:
    dana = ca.native(DANA)
    revoked = opened(ca, dana)
    revoke(ca, revoked.id)
    ended = opened(ca, dana)
    ca.say(m.End(dana, ended.id), m.RequestReply)
    ca.later(40 * DAY)
    ca.web(ALICE)
    ca.later(DAY)
    guard = Reader(ca, GUARD)
    assert guard.read(revoked.id).request.closing == "odd commands"
    assert revoked.id not in ca.context.state.requests
    assert guard.refusal(ended.id) == guard.refusal("req-none")
