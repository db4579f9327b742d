"""More time in a grant: asked anew, decided anew, counted, and gone with the grant."""

from __future__ import annotations

import json

import pytest

from sshjit import ca_protocol as m
from sshjit import entries, events
from sshjit.errors import Invalid, Refused, SshJitError
from sshjit.policy import Bounds
from sshjit_ca.access import recheck
from sshjit_ca.log.history import History
from sshjit_ca.state import codec
from tests.support import published_bundle
from tests.support.installation import ALICE, BOB, DANA, Installation, Person

ERIN = Person("e-5", ("SRE Leads",), "erin@example.com")
HOUR, DAY = 3600, 24 * 3600
DATABASE = ('pending = "30m"\nuse_by', 'pending = "30m"\nextend = { count = 2, by = "30m" }\nuse_by')
STAGING = ('grant = "8h"', 'grant = "8h"\nextend = { count = 1, by = "2h" }')


def extend(ca: Installation, login_id: str, request: m.RequestView) -> m.AskReply:
    return ca.say(m.Extend(login_id, request.id, "CHG-7 takes longer", "192.0.2.7"), m.AskReply)


def reading(ca: Installation, login_id: str, request: m.RequestView) -> m.RequestView:
    return ca.say(m.ReadRequest(login_id, request.id), m.RequestReply).request


def closings(ca: Installation) -> list[events.Closed]:
    found = (entries.read(row.entry) for row in ca.store.rows())
    return [each for each in found if isinstance(each, events.Closed)]


def grant(ca: Installation) -> tuple[str, m.RequestView]:
    """Dana's open grant on the database, used once."""
    ca.change_policy(*DATABASE)
    login = ca.native(DANA)
    request = ca.approve(ca.web(BOB), ca.ask(login, "db1").request)
    ca.say(m.SignUser(login, request.id), m.CertificateReply)
    return login, request


def test_approved_it_makes_the_same_grant_longer_and_hosts_hear_of_it(ca: Installation) -> None:
    login, request = grant(ca)
    assert request.extend_by == 1800
    asked = extend(ca, login, request).request
    assert (asked.state, asked.extends, asked.duration) == ("pending", request.id, 1800)
    assert reading(ca, login, request).ends == request.ends
    ca.approve(ca.web(ERIN), asked)
    assert request.ends is not None
    longer = reading(ca, login, request)
    assert (longer.state, longer.ends) == ("approved", request.ends + 1800)
    assert published_bundle.newest(ca).extended == ((request.id, request.ends + 1800),)
    ca.later(HOUR + 60)
    certificate = ca.say(m.SignUser(login, request.id), m.CertificateReply).certificate
    assert certificate.grant_ends == request.ends + 1800


def test_denied_nothing_changes_and_it_may_be_asked_again(ca: Installation) -> None:
    login, request = grant(ca)
    first = extend(ca, login, request).request
    again = extend(ca, login, request)
    assert (again.existing, again.request.id) == (True, first.id), "one at a time"
    ca.say(m.Deny(ca.web(BOB), first.id, first.digest, "no", None), m.RequestReply)
    assert reading(ca, login, request).ends == request.ends
    assert not extend(ca, login, request).existing


def test_it_is_counted_also_after_an_earlier_one_is_over(ca: Installation) -> None:
    login, request = grant(ca)
    for _ in range(2):
        ca.approve(ca.web(BOB), extend(ca, login, request).request)
    ca.later(HOUR + 1801)  # past the end of the first extension
    ca.authority.sweep()
    assert reading(ca, login, request).extend_by is None
    with pytest.raises(Refused) as enough:
        extend(ca, login, request)
    assert enough.value.code == "cannot_extend"


def test_where_no_approval_is_needed_it_is_longer_at_once(ca: Installation) -> None:
    ca.change_policy(*STAGING)
    login = ca.native(ALICE)
    request = ca.ask(login, "web1", duration=HOUR).request
    assert extend(ca, login, request).request.state == "approved"
    assert request.ends is not None
    assert reading(ca, login, request).ends == request.ends + 2 * HOUR


def test_closing_hours_hold(ca: Installation) -> None:
    ca.change_policy(*STAGING)
    ca.change_policy('name = "staging"\n', 'name = "staging"\nhours = "08:00-10:00"\nzone = "UTC"\n')  # it is 08:00
    login = ca.native(ALICE)
    request = ca.ask(login, "web1", duration=HOUR).request
    extend(ca, login, request)
    assert reading(ca, login, request).ends == int(ca.time) + 2 * HOUR
    ca.say(m.End(login, request.id), m.RequestReply)
    whole = ca.ask(login, "web1").request
    with pytest.raises(Refused) as closing:
        extend(ca, login, whole)
    assert closing.value.code == "cannot_extend"


def test_no_certificate_is_drawn_from_it_and_it_is_not_extended_or_ended_by_itself(ca: Installation) -> None:
    ca.change_policy(*STAGING)
    login = ca.native(ALICE)
    request = ca.ask(login, "web1", duration=HOUR).request
    asked = extend(ca, login, request).request
    for message in (m.SignUser(login, asked.id), m.Extend(login, asked.id, "more", ""), m.End(login, asked.id)):
        (answer,) = ca.say_all([message])
        assert isinstance(answer, Invalid)
        assert answer.code == "extension"
    assert reading(ca, login, request).state == "approved"


def test_a_yes_after_the_grant_is_over_opens_nothing_and_leaves_no_trace(ca: Installation) -> None:
    login, request = grant(ca)
    asked = extend(ca, login, request).request
    bob = ca.web(BOB)
    ca.later(HOUR)
    with pytest.raises(SshJitError) as late:
        ca.approve(bob, asked)
    assert late.value.code in {"wrong_state", "grant_over"}
    assert reading(ca, login, request).state == "ended"
    with pytest.raises(Invalid):
        extend(ca, login, request)


def test_unused_the_grant_lapses_and_nothing_extends_it_any_more(ca: Installation) -> None:
    ca.change_policy(*DATABASE)
    login = ca.native(DANA)
    request = ca.approve(ca.web(BOB), ca.ask(login, "db1").request)
    asked = extend(ca, login, request).request
    ca.later(15 * 60)
    bob = ca.web(BOB)
    size = ca.context.journal.size
    with pytest.raises(Refused) as over:
        ca.approve(bob, asked)
    assert over.value.code == "grant_over"
    assert set(ca.kinds()[size:]) == {"refusal"}


def test_what_nobody_answered_expires_with_the_grant_at_the_latest_and_is_written_down(ca: Installation) -> None:
    login, request = grant(ca)
    ca.later(50 * 60)
    asked = extend(ca, login, request).request
    assert asked.pending_until == request.ends
    ca.later(10 * 60)
    ca.authority.sweep()
    endings = {entry.request: entry.state for entry in closings(ca)}
    assert endings == {request.id: "ended", asked.id: "expired"}


@pytest.mark.parametrize(
    "how", ["end", "revoke", "revoke the extension", "lock person", "lock host", "lock everything"]
)
def test_with_the_grant_its_extensions_go_too(ca: Installation, how: str) -> None:
    login, request = grant(ca)
    done = extend(ca, login, request).request
    bob = ca.web(BOB)
    ca.approve(bob, done)
    waiting = extend(ca, login, request).request
    person = ca.logins[login].person.id
    messages: dict[str, m.Message] = {
        "revoke": m.Revoke(None, request.id, None, None, "odd"),
        "revoke the extension": m.Revoke(None, done.id, None, None, "odd"),
        "lock person": m.Lock(None, "person", person, "odd"),
        "lock host": m.Lock(None, "host", "db1", "odd"),
        "lock everything": m.Lock(None, "everything", None, "odd"),
    }
    if how == "end":
        ca.say(m.End(login, request.id), m.RequestReply)
    else:
        (answer,) = ca.say_all([messages[how]], "admin")
        assert not isinstance(answer, SshJitError), answer
    states = {each: ca.context.state.requests[each].state for each in (request.id, done.id, waiting.id)}
    over = "ended" if how == "end" else "revoked"
    assert states == {request.id: over, done.id: over, waiting.id: "cancelled"}
    assert [each for each, _ in published_bundle.newest(ca).ended] == [request.id]
    (late,) = ca.say_all([m.Approve(bob, waiting.id, waiting.digest, "", None)])
    assert isinstance(late, SshJitError)


def test_what_is_known_of_it_comes_back_from_a_snapshot(ca: Installation) -> None:
    login, request = grant(ca)
    ca.approve(ca.web(BOB), extend(ca, login, request).request)
    ca.say(m.Comment(login, request.id, "nearly there"), m.RequestReply)
    text = b"".join(codec.pieces(ca.context.state))
    assert codec.decode(json.loads(text)) == ca.context.state


def test_t55_what_was_revoked_of_it_is_told_for_as_long_as_it_lives_now(ca: Installation) -> None:
    login, request = grant(ca)
    serial = ca.say(m.SignUser(login, request.id), m.CertificateReply).certificate.serial
    ca.say(m.Revoke(None, None, serial, None, "odd"), m.RevokeReply, "admin")
    ca.approve(ca.web(BOB), extend(ca, login, request).request)
    assert request.ends is not None
    assert ca.context.state.revoked[serial] == request.ends + 1800


def test_t27_once_it_lives_by_an_extension_whose_approver_lost_the_role_it_gives_nothing(ca: Installation) -> None:
    ca.change_policy('lead = ["acme/group:SRE Leads"]', 'lead = ["acme/group:SRE Leads", "acme/group:Deputies"]')
    login, request = grant(ca)
    deputy = Person("f-6", ("Deputies",), "frank@example.com")
    ca.approve(ca.web(deputy), extend(ca, login, request).request)
    ca.change_policy(', "acme/group:Deputies"', "")
    ca.say(m.SignUser(login, request.id), m.CertificateReply)
    ca.later(HOUR)
    with pytest.raises(Refused) as gone:
        ca.say(m.SignUser(login, request.id), m.CertificateReply)
    assert gone.value.code == "approval_gone"


def test_the_log_tells_of_it_for_ever(ca: Installation) -> None:
    """A grant that drew certificates by its extension is folded from the log with it, pruned or erased."""
    login, request = grant(ca)
    asked = extend(ca, login, request).request
    ca.approve(ca.web(BOB), asked)
    ca.later(HOUR + 60)
    ca.say(m.SignUser(login, request.id), m.CertificateReply)
    ca.say(m.End(login, request.id), m.RequestReply)
    held = {each: reading(ca, login, view) for each, view in ((request.id, request), (asked.id, asked))}
    ca.later(70 * DAY)
    ca.native(DANA)
    ca.native(BOB)
    assert request.id not in ca.context.state.requests
    for erased in (False, True):
        for first in (request, asked):
            history = History(ca.store)
            found = history.request(ca.context.state, first.id)
            assert found is not None
            assert (found.state, found.ends) == (held[first.id].state, held[first.id].ends)
            assert found.certificates == held[first.id].certificates
        if not erased:
            ca.say(m.Forget(int(ca.time) - 40 * DAY, dry_run=False), m.ForgetReply, "admin")
            ca.restart()


def test_what_waits_to_extend_a_grant_ends_with_the_role_of_who_approved_the_grant(ca: Installation) -> None:
    midnight = 1_800_057_600
    ca.later(midnight - 1200 - ca.time)
    login, request = grant(ca)
    assert request.ends == midnight + 2400
    lead = 'lead = ["acme/group:SRE Leads"]'
    ending = '[{ from = "acme/group:SRE Leads", until = 2027-01-15 }, "acme/email:erin@example.com"]'
    asked = extend(ca, login, request).request
    ca.change_policy(lead, f"lead = {ending}")
    waiting = ca.context.state.requests[asked.id]
    bounds = recheck.bounds_or_refusal(ca.context, waiting)
    assert isinstance(bounds, Bounds)
    assert bounds.ends_by == midnight, "Bob's role ends, and without him the grant would not be"
