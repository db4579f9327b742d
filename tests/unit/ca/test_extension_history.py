"""What was asked of a grant stands with the grant: for everybody who reads it, and for ever."""

from __future__ import annotations

from sshjit import ca_protocol as m
from sshjit_ca.handlers import read_requests
from tests.support.installation import ALICE, BOB, DANA, Installation, Person

DAY = 24 * 3600
DATABASE = ('pending = "30m"\nuse_by', 'pending = "30m"\nextend = { count = 2, by = "30m" }\nuse_by')
EVE = Person("e-5", ("Security",), "eve@example.com")
AUDIT = (
    ("[permissions]", 'security = ["acme/group:Security"]\n[permissions]'),
    ('audit = ["lead"]', 'audit = ["security"]'),
)


def read(ca: Installation, login_id: str, request_id: str) -> m.RequestReply:
    return ca.say(m.ReadRequest(login_id, request_id), m.RequestReply)


def more(ca: Installation, login_id: str, request_id: str, reason: str) -> m.RequestView:
    return ca.say(m.Extend(login_id, request_id, reason, "192.0.2.7"), m.AskReply).request


def told(found: tuple[m.ExtensionView, ...]) -> list[tuple[str, str, str | None, list[str]]]:
    """Why, what became of it, and who said so."""
    return [(each.reason, each.state, each.how, [said.comment for said in each.decisions]) for each in found]


def story(ca: Installation) -> tuple[str, int]:
    """Dana's grant, extended after a no and with one more ask waiting; its id, and when it ends."""
    ca.change_policy(*DATABASE)
    for change in AUDIT:
        ca.change_policy(*change)
    dana, bob = ca.native(DANA), ca.web(BOB)
    grant = ca.approve(bob, ca.ask(dana, "db1").request)
    first = more(ca, dana, grant.id, "CHG-7 first")
    ca.say(m.Deny(bob, first.id, first.digest, "not now", None), m.RequestReply)
    ca.say(m.SignUser(dana, grant.id), m.CertificateReply)
    ca.later(60)
    ca.approve(bob, more(ca, dana, grant.id, "CHG-7 second"), "go on")
    more(ca, dana, grant.id, "CHG-7 third")
    assert grant.ends is not None
    return grant.id, grant.ends + 1800


def test_everybody_who_reads_the_grant_reads_what_was_asked_of_it(ca: Installation) -> None:
    grant, ends = story(ca)
    replies = [read(ca, login, grant) for login in (ca.web(DANA), ca.web(BOB), ca.web(EVE))]
    for reply in replies:
        assert told(reply.extensions) == [
            ("CHG-7 first", "denied", None, ["not now"]),
            ("CHG-7 second", "approved", "reviewed", ["go on"]),
            ("CHG-7 third", "pending", None, []),
        ]
        assert [each.ends for each in reply.extensions] == [None, ends, None]
        assert {(each.person.id, each.duration) for each in reply.extensions} == {(reply.request.requester.id, 1800)}
    assert replies[1].extensions[1].decisions[0].person.email == BOB.email
    for each in replies[0].extensions:
        assert read(ca, ca.web(DANA), each.id).extensions == (), "more time in more time there is not"


def test_it_is_read_from_the_log_when_the_grant_is_long_over(ca: Installation) -> None:
    grant, _ = story(ca)
    ca.later(2 * 3600)
    ca.authority.sweep()
    over = read(ca, ca.web(DANA), grant).extensions
    assert [(each.state, each.how) for each in over] == [("denied", None), ("ended", "reviewed"), ("expired", None)]
    ca.later(40 * DAY)
    ca.web(ALICE)
    ca.later(DAY)
    dana = ca.web(DANA)
    assert grant not in ca.context.state.requests
    assert read(ca, dana, grant).extensions == over
    ca.restart()
    assert read(ca, dana, grant).extensions == over
    assert read(ca, dana, over[1].id).request.extends == grant


def test_the_last_of_many_are_shown(ca: Installation) -> None:
    ca.change_policy(*DATABASE)
    dana, bob = ca.native(DANA), ca.web(BOB)
    grant = ca.approve(bob, ca.ask(dana, "db1").request)
    for number in range(read_requests.MOST_EXTENSIONS + 2):
        asked = more(ca, dana, grant.id, f"CHG-{number}")
        ca.say(m.Deny(bob, asked.id, asked.digest, "no", None), m.RequestReply)
    found = read(ca, dana, grant.id).extensions
    assert (len(found), found[0].reason, found[-1].reason) == (
        read_requests.MOST_EXTENSIONS,
        "CHG-2",
        f"CHG-{read_requests.MOST_EXTENSIONS + 1}",
    )


def test_more_time_that_nobody_decides_is_not_called_unsigned(ca: Installation) -> None:
    ca.change_policy('grant = "8h"', 'grant = "8h"\nextend = { count = 1, by = "2h" }')
    alice = ca.native(ALICE)
    grant = ca.ask(alice, "web1").request
    ca.later(60)
    more(ca, alice, grant.id, "CHG-7 longer")
    (extension,) = read(ca, alice, grant.id).extensions
    assert (extension.how, extension.signed, extension.not_signed) == ("automatic", False, False)
