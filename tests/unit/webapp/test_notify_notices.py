"""Who hears what: stories told to a real CA, and the feed that it gives to the notifier."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sshjit import ca_protocol as m
from sshjit.errors import Refused
from sshjit_web.notify import messages, notices, planner, recipients
from sshjit_web.notify_config import NotifyConfig, Route
from tests.support.break_glass import break_glass, review
from tests.support.installation import ALICE, BOB, DANA, Installation, make_key
from tests.support.issuer import Issuer
from tests.support.notified import CHANNELS, CONFIG, ERIN, POLICY_WITH_GLASS, TWO, FeedReader
from tests.support.signatures import join

DAY = 86_400


@pytest.fixture
def ca(tmp_path: Path, issuers: dict[str, Issuer]) -> Iterator[Installation]:
    installation = Installation(tmp_path, issuers, policy=POLICY_WITH_GLASS)
    installation.add_host("web1", env="staging")
    installation.add_host("db1", env="prod", role="db")
    installation.web(BOB)
    installation.web(ERIN)
    yield installation
    installation.stop()


@pytest.fixture
def ear(ca: Installation) -> FeedReader:
    return FeedReader(ca)


def asked(ca: Installation) -> m.RequestView:
    return ca.ask(ca.native(DANA), "db1").request


def test_an_ask_goes_to_those_who_could_answer_and_a_reminder_at_half_of_the_time(
    ca: Installation, ear: FeedReader
) -> None:
    request = asked(ca)
    assert ear.heard() == {"asked": {"bob", "erin"}, "reminder": {"bob", "erin"}}
    notice = ear.notice("reminder")
    assert notice.due == int(ca.time) + 15 * 60
    assert notice.until == request.pending_until


def test_people_of_another_role_and_the_channels_of_the_step_hear_when_their_turn_comes(
    ca: Installation, ear: FeedReader
) -> None:
    later = 'count = 1, escalate = { to = "sre", after = "10m", tell = ["pager"] } }]'
    ca.change_policy(TWO[0], TWO[0].replace("count = 1 }]", later))
    ca.web(ALICE)
    request = asked(ca)
    assert ear.heard() == {"asked": {"bob", "erin"}, "reminder": {"bob", "erin"}}
    ca.later(600)
    ca.authority.sweep()
    assert ear.heard() == {"escalated": {"alice", "bob", "erin", "#pager"}}
    content = messages.compose(ear.notice("escalated"), "https://x")
    assert content.title.startswith("Nobody has answered yet: d-4 requests postgres@db1")
    assert content.link == f"https://x/requests/{request.id}"
    ca.approve(ca.web(ALICE), request)
    assert "escalated" in ear.listen()[-1].withdraw


def test_what_a_rule_grants_by_itself_is_told_to_nobody(ca: Installation, ear: FeedReader) -> None:
    alice = ca.native(ALICE)
    request = ca.ask(alice, "web1").request
    ca.say(m.End(alice, request.id), m.RequestReply)
    assert ear.heard() == {}


def test_an_approval_goes_to_the_requester_and_to_the_others_who_were_asked(ca: Installation, ear: FeedReader) -> None:
    request = asked(ca)
    ear.listen()
    ca.approve(ca.web(BOB), request)
    assert ear.heard() == {"opened": {"dana", "erin?"}}
    assert ear.plans[-1].withdraw == ("asked", "reminder", "escalated", "decided")


def test_one_of_two_approvals_goes_to_the_requester_and_spares_the_approver_the_reminder(
    ca: Installation, ear: FeedReader
) -> None:
    ca.change_policy(*TWO)
    request = asked(ca)
    ear.listen()
    ca.approve(ca.web(BOB), request)
    assert ear.heard() == {"decided": {"dana"}}
    assert ear.plans[-1].answered == "bob@example.com"
    ca.approve(ca.web(ERIN), request)
    assert ear.heard() == {"opened": {"dana", "bob?"}}


def test_a_denial_goes_to_the_requester_and_to_the_others(ca: Installation, ear: FeedReader) -> None:
    request = asked(ca)
    ear.listen()
    ca.say(m.Deny(ca.web(BOB), request.id, request.digest, "not today", None), m.RequestReply)
    assert ear.heard() == {"denied": {"dana", "erin?"}}


def test_what_the_requester_withdraws_is_told_to_those_who_were_asked(ca: Installation, ear: FeedReader) -> None:
    dana = ca.native(DANA)
    request = ca.ask(dana, "db1").request
    ear.listen()
    ca.say(m.Cancel(dana, request.id), m.RequestReply)
    assert ear.heard() == {"cancelled": {"bob?", "erin?"}}


def test_when_nobody_answers_everybody_who_was_asked_and_the_requester_hear(ca: Installation, ear: FeedReader) -> None:
    asked(ca)
    ear.listen()
    ca.later(31 * 60)
    ca.authority.sweep()
    assert ear.heard() == {"expired": {"dana", "bob?", "erin?"}}


def test_a_revocation_goes_to_the_requester(ca: Installation, ear: FeedReader) -> None:
    request = asked(ca)
    bob = ca.web(BOB)
    ca.approve(bob, request)
    ear.listen()
    ca.say(m.Revoke(bob, request.id, None, None, "laptop lost"), m.RevokeReply)
    assert ear.heard() == {"revoked": {"dana"}}
    assert ear.plans[-1].withdraw == ("asked", "reminder", "escalated", "decided", "opened")


def test_a_remark_goes_to_the_other_side(ca: Installation, ear: FeedReader) -> None:
    dana = ca.native(DANA)
    request = ca.ask(dana, "db1").request
    ear.listen()
    ca.say(m.Comment(ca.web(BOB), request.id, "which index?"), m.RequestReply)
    assert ear.heard() == {"commented": {"dana"}}
    ca.say(m.Comment(dana, request.id, "on orders"), m.RequestReply)
    assert ear.heard() == {"commented": {"bob", "erin"}}


def test_broken_glass_goes_at_once_to_reviewers_to_the_rules_channels_and_to_the_one_who_did_it(
    ca: Installation, ear: FeedReader
) -> None:
    request = break_glass(ca, ca.native(ALICE)).request
    assert ear.heard() == {"broken_glass": {"bob", "erin", "alice", "#pager"}}
    assert ear.notice("broken_glass").due == int(ca.time)
    (nag,) = [plan.reminder for plan in ear.plans if plan.reminder]
    assert (nag.step, nag.due) == (0, int(ca.time) + 12 * 3600)
    review(ca, ca.web(BOB), request)
    assert ear.heard() == {"reviewed": {"alice", "erin?", "#pager"}}
    assert ear.plans[-1].reviewed


def test_an_unreviewed_break_glass_is_reminded_of_at_half_at_the_deadline_and_then_daily(
    ca: Installation, ear: FeedReader
) -> None:
    begun = int(ca.time)
    break_glass(ca, ca.native(ALICE))
    ear.listen()
    nag: planner.ReviewReminder | None = next(plan.reminder for plan in ear.plans if plan.reminder)
    times, things = [], set()
    for _ in range(5):
        assert nag is not None
        times.append((nag.due - begun) / 3600)
        plan = planner.plan_reminder(CONFIG, "https://x", nag, nag.due)
        things.add(plan.announcements[0].notice.thing)
        assert {copy.target.recipient or "#pager" for copy in plan.announcements[0].copies} == {
            "bob@example.com",
            "erin@example.com",
            "#pager",
        }
        nag = plan.reminder
    assert times == [12, 24, 48, 72, 96]
    assert len(things) == 5


def test_reminders_that_were_slept_through_are_not_made_up_for(ca: Installation, ear: FeedReader) -> None:
    break_glass(ca, ca.native(ALICE))
    ear.listen()
    nag = next(plan.reminder for plan in ear.plans if plan.reminder)
    for late in (int(ca.time) + 10 * DAY + 60, int(ca.time) + 10 * DAY):
        plan = planner.plan_reminder(CONFIG, "https://x", nag, late)
        assert len(plan.announcements) == 1
        assert plan.reminder is not None
        assert late < plan.reminder.due <= late + DAY
        assert plan.announcements[0].notice.due <= late


def test_a_token_of_hosts_that_does_not_count_goes_to_the_channels_that_want_it(
    ca: Installation, ear: FeedReader
) -> None:
    """Somebody else may have it. A front end of release 0.1 is told nothing that it does not know."""
    before = ca.context.journal.durable - 1
    reply = ca.say(m.AddHost("web9", (), "192.0.2.9", 22, (("env", "staging"),), ()), m.HostReply, "admin")
    assert reply.invitation is not None
    ca.say(join(ca, "web9", reply.invitation.token, (make_key(ca.home / "web9"),)), m.HostReply, "web")
    with pytest.raises(Refused):
        ca.say(join(ca, "web9", reply.invitation.token, (make_key(ca.home / "thief"),)), m.HostReply, "web")
    assert ear.heard() == {"join_refused": {"#chat"}}
    content = messages.compose(ear.notice("join_refused"), "https://x")
    assert content.title == "A host was not let in by a joining token"
    assert "web9" in content.rows[0][1]
    assert ca.say(m.ReadFeed(before, 100), m.FeedReply).items == ()


def test_locks_and_emergencies_go_to_the_channels_that_want_them(ca: Installation, ear: FeedReader) -> None:
    reply = ca.say(m.Lock(None, "host", "db1", "odd traffic"), m.LockReply, "admin")
    ca.say(m.Unlock(None, reply.lock.id, "all is well", None), m.Done, "admin")
    key = ca.key(ALICE).with_suffix(".pub").read_text()
    ca.say(m.SignEmergency("deploy", ("web1",), key, "the provider is down", 600), m.EmergencyReply, "admin")
    assert ear.heard() == {"locked": {"#chat"}, "unlocked": {"#chat"}, "emergency": {"#chat"}}
    by_rule = NotifyConfig(channels=CHANNELS, mail="mail", routes=(Route(("chat",), rules=("database",)),))
    assert FeedReader(ca, by_rule).heard() == {}, "they are about no rule"


@pytest.mark.parametrize(
    ("route", "hears"),
    [
        (Route(("chat",)), True),
        (Route(("chat",), rules=("database",)), True),
        (Route(("chat",), rules=("staging",)), False),
        (Route(("chat",), labels={"env": "prod", "role": "db"}), True),
        (Route(("chat",), labels={"env": "staging"}), False),
        (Route(("chat",), labels={"env": "prod", "role": "web"}), False),
        (Route(("chat",), topics=("asked",), rules=("database",), labels={"env": "prod"}), True),
        (Route(("chat",), topics=("denied",), rules=("database",), labels={"env": "prod"}), False),
    ],
)
def test_routes_match_by_rule_label_and_topic(ca: Installation, route: Route, *, hears: bool) -> None:
    asked(ca)
    heard = FeedReader(ca, NotifyConfig(channels=CHANNELS, mail="mail", routes=(route,))).heard()
    assert ("#chat" in heard["asked"]) == hears


def test_without_a_mail_channel_only_channels_hear(ca: Installation) -> None:
    asked(ca)
    assert FeedReader(ca, NotifyConfig(channels=CHANNELS, routes=(Route(("chat",)),))).heard()["asked"] == {"#chat"}


def test_an_address_that_nobody_vouches_for_is_owed_to_and_dead_at_once(ca: Installation, ear: FeedReader) -> None:
    ca.web(replace(BOB, verified=False))
    asked(ca)
    ear.listen()
    problems = {copy.target.recipient: copy.target.problem for copy in ear.plans[0].announcements[0].copies}
    assert problems.pop("erin@example.com") == ""
    assert list(problems.values()) == ["their provider confirms no e-mail address"]


@pytest.mark.parametrize(
    ("email", "to"),
    [
        ("Kim@Example.com", "kim@example.com"),
        ("boss@stra\N{LATIN SMALL LETTER SHARP S}e.example", None),
        ("\N{KELVIN SIGN}im@example.com", None),
        ("kim@example.com, eve@example.com", None),
        ("kim@example.com\nBcc: eve@example.com", None),
        ("Kim <kim@example.com>", None),
        (None, None),
    ],
)
def test_t74_mail_goes_to_the_very_address_that_is_confirmed_or_nowhere(email: str | None, to: str | None) -> None:
    """Whoever has another address that folds to it does not get the owner's mail, nor does a second one in a text."""
    assert recipients.address(m.PersonView("sub-0123456789abcdef", "acme", "Kim", email)) == to


def test_news_that_are_old_are_not_told(ca: Installation, ear: FeedReader) -> None:
    """A notifier that was down for a week, or is new: nobody is asked for what is over, or told what is long known."""
    first = asked(ca)
    ca.approve(ca.web(BOB), first)
    ca.say(m.Lock(None, "host", "web1", "odd traffic"), m.LockReply, "admin")
    ca.later(2 * DAY)
    ca.web(BOB)
    break_glass(ca, ca.native(ALICE))
    asked(ca)
    assert ear.heard() == {
        "broken_glass": {"bob", "erin", "alice", "#pager"},
        "asked": {"bob", "erin"},
        "reminder": {"bob", "erin"},
    }


def test_a_request_that_was_settled_before_it_was_read_asks_nobody(ca: Installation, ear: FeedReader) -> None:
    request = asked(ca)
    ca.say(m.Deny(ca.web(BOB), request.id, request.digest, "no", None), m.RequestReply)
    assert ear.heard() == {"denied": {"dana", "erin?"}}


def test_whoever_answered_before_it_was_read_is_not_reminded(ca: Installation, ear: FeedReader) -> None:
    ca.change_policy(*TWO)
    ca.approve(ca.web(BOB), asked(ca))
    assert ear.heard() == {"asked": {"bob", "erin"}, "reminder": {"erin"}, "decided": {"dana"}}


def test_what_is_read_after_half_of_the_time_is_asked_and_not_reminded_of(ca: Installation, ear: FeedReader) -> None:
    asked(ca)
    ca.later(15 * 60)
    assert ear.heard() == {"asked": {"bob", "erin"}}


def test_reading_again_names_the_same_things(ca: Installation) -> None:
    request = asked(ca)
    ca.say(m.Comment(ca.web(BOB), request.id, "why?"), m.RequestReply)
    ids = [
        [copy.id for plan in FeedReader(ca).listen() for s in plan.announcements for copy in s.copies] for _ in range(2)
    ]
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == len(ids[0])


def test_only_broken_glass_is_nagged_about(ca: Installation, ear: FeedReader) -> None:
    asked(ca)
    with pytest.raises(ValueError, match="only broken glass"):
        notices.remind_of_review(ear.notice("asked").item, 0)
