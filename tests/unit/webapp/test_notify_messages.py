"""What people read: short, complete, and inert whatever others wrote into it."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sshjit import ca_protocol as m
from sshjit_web.notify import messages, payload
from sshjit_web.notify.messages import Content
from tests.support import in_process_ca
from tests.support.break_glass import break_glass, review
from tests.support.installation import ALICE, BOB, DANA, Installation
from tests.support.issuer import Issuer
from tests.support.notified import ERIN, ORIGIN, POLICY_WITH_GLASS, FeedReader

NASTY = (
    "<script>alert(1)</script> <!channel> @everyone @here <@U024BE7LH> **bold** _it_ ~gone~ `code` [click](https://evil.example)"
    " www.evil.example <https://evil.example|INC-7> > quote # head | table \\n &amp; CHG-7"
)
MARKUP = "<>&*_`~[]@|#\\"


@pytest.fixture
def ca(tmp_path: Path, issuers: dict[str, Issuer]) -> Iterator[Installation]:
    installation = Installation(tmp_path, issuers, policy=POLICY_WITH_GLASS)
    installation.add_host("web1", env="staging")
    installation.add_host("db1", env="prod", role="db")
    for someone in (ALICE, BOB, DANA, ERIN):
        someone.claims = {"name": someone.email.partition("@")[0].capitalize()}
    installation.web(BOB)
    yield installation
    for someone in (ALICE, BOB, DANA, ERIN):
        someone.claims = {}
    installation.stop()


def written(ca: Installation, topic: str) -> Content:
    return messages.compose(FeedReader(ca).notice(topic), ORIGIN)


def test_the_mail_to_an_approver_says_who_what_why_until_when_and_where(ca: Installation) -> None:
    request = ca.ask(ca.native(DANA), "db1", action="migrate").request
    subject, text = messages.mail(written(ca, "asked"))
    assert subject == "ssh-jit: Dana requests migrate as postgres@db1"
    assert text == (
        "Requester: Dana (partner, dana@example.com), not signed\n"
        "Access: migrate as postgres@db1, command /opt/app/bin/migrate\n"
        "Duration: 1 h\n"
        "Reason: CHG-7 add index\n"
        "Rule: database\n"
        "Approvals missing: 1 by lead\n"
        "Expires: 2027-01-15 08:30 UTC\n"
        "\n"
        "Approve or deny it on its page:\n"
        f"https://access.example.com/requests/{request.id}\n"
    )


def test_of_a_workload_each_claim_is_a_line_and_no_link(ca: Installation) -> None:
    ca.ask(ca.native(DANA), "db1")
    notice = FeedReader(ca).notice("asked")
    assert notice.item.claims == ()
    claims = ("environment=production", "ref=refs/heads/evil.example")
    notice = replace(notice, item=replace(notice.item, claims=claims))
    content = messages.compose(notice, ORIGIN)
    text = messages.mail(content)[1]
    assert "\nClaim: environment=production\nClaim: ref=refs/heads/evil[.]example\nAccess: " in text
    assert json.loads(payload.body(notice, content))["data"]["claims"] == list(claims)


def test_the_mail_to_the_requester_says_who_approved_and_until_when_it_is_open(ca: Installation) -> None:
    ca.approve(ca.web(BOB), ca.ask(ca.native(DANA), "db1").request, "go ahead")
    subject, text = messages.mail(written(ca, "opened"))
    assert subject == "ssh-jit: Approved: postgres@db1 for Dana"
    assert "Active until: 2027-01-15 09:00 UTC\n" in text
    assert "Decisions: Bob: approved, not signed, go ahead\n" in text


def test_broken_glass_is_loud_and_says_what_to_do(ca: Installation) -> None:
    break_glass(ca, ca.native(ALICE))
    subject, text = messages.mail(written(ca, "broken_glass"))
    assert subject == "ssh-jit: EMERGENCY ACCESS (break-glass): Alice to root@db1"
    assert "Reason: the database is on fire\n" in text
    assert "Review by: 2027-01-16 08:00 UTC\n" in text
    assert "Somebody else must review what was done" in text


def test_every_other_topic_has_its_words(ca: Installation) -> None:
    bob, dana, alice = ca.web(BOB), ca.native(DANA), ca.native(ALICE)
    first = ca.ask(dana, "db1").request
    ca.say(m.Comment(bob, first.id, "which index?"), m.RequestReply)
    title, text = messages.mail(written(ca, "commented"))
    assert title == "ssh-jit: Bob commented on postgres@db1 for Dana"
    requester = "Dana (partner, dana@example.com), not signed"
    assert text.startswith(f"Comment: which index?\nRequester: {requester}\nAccess: postgres@db1\n")
    assert text.endswith(f"\nDetails:\n{ORIGIN}/requests/{first.id}\n")
    ca.say(m.Deny(bob, first.id, first.digest, "not today", None), m.RequestReply)
    assert "Decisions: Bob: denied, not today\n" in messages.mail(written(ca, "denied"))[1]
    second = ca.ask(dana, "db1").request
    ca.approve(bob, second)
    ca.say(m.Revoke(bob, second.id, None, None, "laptop lost"), m.RevokeReply)
    title, text = messages.mail(written(ca, "revoked"))
    assert title == "ssh-jit: Revoked: postgres@db1 for Dana"
    assert "Ended by: Bob (acme, bob@example.com)\nReason for the end: laptop lost\n" in text
    glass = break_glass(ca, alice).request
    review(ca, bob, glass)
    title, text = messages.mail(written(ca, "reviewed"))
    assert title == "ssh-jit: Bob reviewed the emergency access of Alice: justified"
    assert text.startswith("Review: justified: it was\n")
    ca.say(m.Lock(None, "host", "db1", "odd traffic to evil.example"), m.LockReply, "admin")
    title, text = messages.mail(written(ca, "locked"))
    assert title == "ssh-jit: Locked"
    assert "odd traffic to evil[.]example" in text
    assert text.endswith(f"{ORIGIN}/log\n")


def test_t29_chat_markup_html_and_links_in_what_others_wrote_mean_nothing(ca: Installation) -> None:
    DANA.claims = {"name": "<b>@here</b> *boss*"}
    ca.ask(ca.native(DANA), "db1", reason=NASTY)
    said = written(ca, "asked")
    title, text = messages.chat(said)
    assert not set(title) & set(MARKUP)
    body, _, link = text.rstrip("\n").rpartition("\n")
    assert link == said.link
    assert not set(body) & set(MARKUP)
    for shown in (body, messages.mail(said)[1].replace(said.link, "")):
        assert "://" not in shown
        assert "www." not in shown
    assert "https[:]//evil[.]example" in messages.mail(said)[1]
    assert "\uff1c!channel\uff1e" in body
    assert "\uff20everyone" in body


def test_t29_direction_marks_line_breaks_and_escapes_are_written_out(ca: Installation) -> None:
    """The CA refuses such names and reasons; here they come all the same."""
    nasty = "Dana\u202eboss\r\nBcc: eve@example.com\x1b[2J\u200b"
    ca.ask(ca.native(DANA), "db1")
    notice = FeedReader(ca).notice("asked")
    request = notice.item.request
    assert request is not None
    request = replace(request, requester=replace(request.requester, name=nasty), reason=nasty)
    said = messages.compose(replace(notice, item=replace(notice.item, request=request)), ORIGIN)
    for title, text in (messages.mail(said), messages.chat(said)):
        for shown in (title, text.replace("\n", "")):
            assert not [c for c in shown if unicodedata.category(c) in {"Cc", "Cf", "Zl", "Zp"}]
        assert "⟨U+202E⟩" in title
        assert not any(line.startswith("Bcc") for line in text.splitlines())


def test_t29_opening_the_link_of_a_mail_approves_nothing(tmp_path: Path, issuers: dict[str, Issuer]) -> None:
    """Mail scanners open every link, some of them signed in as the reader."""
    with in_process_ca.front_end(tmp_path, issuers, in_process_ca.policy()) as world:
        world.browser(BOB)
        request_id = world.ask(DANA, "db1")
        link = written(world.ca, "asked").link
        assert link == f"{ORIGIN}/requests/{request_id}"
        path = link.removeprefix(ORIGIN)
        assert world.get(BOB, path).status_code == 200
        assert world.app.test_client().get(path, base_url=world.origin).status_code == 303
        view = world.view(BOB, request_id)
        assert (view.state, view.decisions) == ("pending", ())


def test_t29_no_mail_program_finds_a_site_in_what_others_wrote(ca: Installation) -> None:
    DANA.claims = {"name": "Dana of evil.example"}
    login = ca.native(DANA)
    request = ca.ask(login, "db1", reason="CHG-7.1 see evil.example/approve, app.py, 3.11.7").request
    said = [messages.mail(written(ca, "asked"))]
    ca.say(m.Deny(ca.web(BOB), request.id, request.digest, "ask at evil.example", None), m.RequestReply)
    said.append(messages.mail(written(ca, "denied")))
    assert all("evil.example" not in title + text for title, text in said)
    assert "Reason: CHG-7.1 see evil[.]example/approve, app[.]py, 3.11.7" in said[0][1]
    assert "(partner, dana@example.com)" in said[0][1]


def test_t29_a_long_name_leaves_room_for_what_its_owner_wants(ca: Installation) -> None:
    DANA.claims = {"name": "Approved: root@db1 for Bob, nothing to do, " * 5}
    ca.ask(ca.native(DANA), "db1")
    assert "… requests postgres@db1" in messages.mail(written(ca, "asked"))[0]


def test_long_values_are_cut(ca: Installation) -> None:
    ca.ask(ca.native(DANA), "db1", reason="CHG-7 " + "x" * 490)
    title, text = messages.mail(written(ca, "asked"))
    assert len(title) <= messages.LONGEST_TITLE + len("ssh-jit: ")
    assert all(len(line) <= messages.LONGEST + 20 for line in text.splitlines())
    assert "…" in text


def test_a_webhook_gets_the_whole_request_and_no_secret(ca: Installation) -> None:
    request = ca.ask(ca.native(DANA), "db1", reason="CHG-7 " + "x" * 490).request
    notice = FeedReader(ca).notice("asked")
    body = json.loads(payload.body(notice, messages.compose(notice, ORIGIN)))
    assert (body["type"], body["timestamp"]) == ("ssh_jit.asked", "2027-01-15T08:00:00Z")
    data = body["data"]
    assert data["request"]["id"] == request.id
    assert data["request"]["reason"] == request.reason
    assert data["labels"] == {"env": ["prod"], "role": ["db"]}
    assert data["link"] == f"{ORIGIN}/requests/{request.id}"
    assert data["actor"]["email"] == "dana@example.com"
    assert not [name for name in ca.logins if name in json.dumps(body)]
