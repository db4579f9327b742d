"""The tables of a report say what was done in a month, nothing more and nothing less."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from sshjit import ca_protocol as m
from sshjit.checkpoint import parse_note
from sshjit.errors import Failed
from sshjit_ca.keys import files
from sshjit_ca.report.builder import Report
from sshjit_ca.report.columns import ERASED
from sshjit_ca.report.period import Period
from sshjit_ca.report.tables import BY_KEY
from sshjit_ca.storage.schema import entries
from sshjit_ca.storage.schema import policies as kept
from tests.support import audit_month as stories
from tests.support import installation
from tests.support.audit_month import DAY, HOUR, START, Month
from tests.support.break_glass import GLASS, break_glass, review
from tests.support.installation import Installation
from tests.support.issuer import Issuer
from tests.support.postgres import Postgres
from tests.support.reports import made, played_in, rows

ALICE, BOB, CAROL, DANA, ERIN, FRANK = (
    "a-1 (acme)",
    "b-2 (acme)",
    "c-3 (acme)",
    "d-4 (partner)",
    "e-5 (acme)",
    "f-6 (acme)",
)

MALLORY = f"{stories.NAME} (acme)"


@pytest.fixture(scope="module")
def month(played: tuple[Installation, Month]) -> Month:
    return played[1]


def test_every_request_is_there_with_its_reason_and_who_approved_it(report: Report, month: Month) -> None:
    by_request = {row["request"]: row for row in rows(report, "requests")}
    assert by_request.keys() == {request.id for request in month.requests.values()}
    by_name = {name: by_request[request.id] for name, request in month.requests.items()}
    outcomes = {name: (row["person"], row["rule"], row["state"], row["how"]) for name, row in by_name.items()}
    assert outcomes["automatic"] == (ALICE, "staging", "over", "automatic")
    assert outcomes["reviewed"] == (DANA, "database", "over", "reviewed")
    assert outcomes["extension"] == (DANA, "database", "over", "reviewed, extension")
    assert outcomes["denied"] == (DANA, "database", "denied", "")
    assert outcomes["expired"] == (DANA, "database", "expired unanswered", "")
    assert outcomes["unjustified"] == (ALICE, "on-call", "over", "break_glass")
    assert by_name["reviewed"]["approvers"] == (f"{BOB}, not signed, at most 30 min",)
    assert by_name["reviewed"]["ends"] == START + 50 + HOUR, "half an hour, and another one"
    assert by_name["extension"]["approvers"] == (f"{ERIN}, not signed",)
    assert by_name["signed"]["approvers"] == (f"{BOB}, signed",)
    assert (by_name["signed"]["action"], by_name["signed"]["command"]) == ("migrate", "/opt/app/bin/migrate")
    signatures = {name: by_name[name]["signature"] for name in ("automatic", "reviewed", "extension", "signed")}
    unsigned = dict.fromkeys(("reviewed", "extension"), "not signed")
    assert signatures == {"automatic": "", "signed": "signed", **unsigned}
    glass = {row["request"]: row["signature"] for row in rows(report, "break_glass")}
    assert glass[month.requests["unjustified"].id] == "not signed"
    assert by_name["hostile"]["reason"] == stories.HOSTILE
    assert [row["asked"] for row in rows(report, "requests")] == sorted(row["asked"] for row in by_request.values())


def test_every_decision_is_there_and_how_it_was_given(report: Report, month: Month) -> None:
    decisions = [
        (row["request"], row["approver"], row["verdict"], row["signed"], row["shorter"], row["waited"], row["comment"])
        for row in rows(report, "decisions")
    ]
    reviewed, extension = month.requests["reviewed"].id, month.requests["extension"].id
    assert decisions == [
        (reviewed, BOB, "comment", False, None, 30, "why not at night?"),
        (reviewed, BOB, "approve", False, 1800, 30, "go on"),
        (extension, ERIN, "approve", False, None, 120, ""),
        (month.requests["denied"].id, BOB, "deny", False, None, 90, "not without a change"),
        (month.requests["signed"].id, BOB, "approve", True, None, 300, "as agreed"),
    ]
    bob, erin = rows(report, "approvers")
    assert (bob["person"], bob["approved"], bob["denied"], bob["share"], bob["signed"], bob["quick"]) == (
        *(BOB, 2, 1, 67),
        *(1, 1),
    )
    assert (bob["most_for"], bob["rules"]) == (f"{DANA}: 2", ("database: 2",))
    assert (erin["person"], erin["share"]) == (ERIN, 33)


def test_broken_glass_that_nobody_looked_at_or_that_was_wrong_stands_first(report: Report, month: Month) -> None:
    uses = rows(report, "break_glass")
    names = ["unjustified", "overdue", "late", "justified"]
    assert [row["standing"] for row in uses] == names
    assert [row["request"] for row in uses] == [month.requests[name].id for name in names]
    assert [row["reviewer"] for row in uses] == [BOB, "", BOB, BOB]
    assert report.spool.count("break_glass", at_most=1) == 2, "those that stand out"


def test_what_came_to_nothing_and_what_was_refused(report: Report, month: Month) -> None:
    refusals = [(row["person"], row["what"], row["why"]) for row in rows(report, "refusals")]
    assert (DANA, "denied", "not without a change") in refusals
    assert (DANA, "expired", "") in refusals
    assert any(person == CAROL and what == "no_rule" for person, what, _ in refusals)
    assert (MALLORY, "revoked", "locked: odd words") in refusals
    assert len(refusals) == 4


def test_what_the_operator_did(report: Report, month: Month) -> None:
    (lock,) = rows(report, "locks")
    assert (lock["lock"], lock["kind"], lock["by"], lock["reason"]) == (
        *(month.lock, "person"),
        *("the operator", "odd words"),
    )
    (emergency,) = rows(report, "emergencies")
    assert (emergency["serial"], emergency["reason"]) == (month.emergency, "the provider is down")
    changes = [(row["host"], row["change"], row["before"], row["after"]) for row in rows(report, "host_changes")]
    assert changes == [
        ("web1", "enrolled", (), ("env=staging",)),
        ("db1", "enrolled", (), ("env=prod", "role=db")),
        ("web2", "enrolled", (), ("env=staging",)),
        ("web2", "relabelled", ("env=staging",), ("env=staging", "role=cache")),
        ("old1", "enrolled", (), ("env=staging",)),
        ("old1", "removed", ("env=staging",), ()),
    ]
    assert [row["digest"] for row in rows(report, "policies")] == month.digests
    assert {row["text"] for row in rows(report, "policies")} == {"kept"}
    assert {(row["purpose"], row["change"]) for row in rows(report, "keys")} >= {
        ("user_ca", "active"),
        ("log", "active"),
    }
    revoked = {(row["what"], row["person"], row["by"]) for row in rows(report, "revocations")}
    assert revoked == {("grant", MALLORY, "the operator"), ("sign-in", MALLORY, "the operator")}


def test_people_hosts_and_sign_ins_are_counted(report: Report, played: tuple[Installation, Month]) -> None:
    ca, _ = played
    people = {row["email"]: row for row in rows(report, "people")}
    alice, mallory = people["alice@example.com"], people["mallory@example.com"]
    assert (alice["requests"], alice["grants"], alice["certificates"], alice["glass"]) == (5, 5, 5, 4)
    assert (alice["roles"], alice["locked"]) == (("sre",), False)
    assert (mallory["person"], mallory["locked"]) == (stories.NAME, True)
    hosts = {row["host"]: row for row in rows(report, "hosts")}
    assert (hosts["db1"]["people"], hosts["db1"]["certificates"]) == ((ALICE, DANA), 6)
    assert (hosts["old1"]["enrolled"], hosts["web1"]["enrolled"]) == (False, True)
    assert sum(row["sign_ins"] for row in rows(report, "sign_ins")) == ca.kinds().count("login")
    assert len(rows(report, "certificates")) == ca.kinds().count("certificate")


def test_who_could_and_never_did_and_rules_that_nobody_used(report: Report) -> None:
    unused = {(row["person"], row["rule"]) for row in rows(report, "unused")}
    assert unused == {(FRANK, "staging"), (FRANK, "on-call"), (DANA, "nightly"), (MALLORY, "on-call")}
    first = rows(report, "rules")[0]
    assert (first["rule"], first["certificates"], first["people"], first["last_used"]) == ("nightly", 0, 1, None)


def test_the_report_stands_on_a_head_that_is_verified(report: Report, played: tuple[Installation, Month]) -> None:
    ca, _ = played
    head = ca.store.head()
    assert head is not None
    assert (report.note, report.head.size, report.problems) == (head.checkpoint, head.size, ())
    point, _ = parse_note(report.note, files.load_public(ca.config.key_file("log")).blob[-32:])
    assert point == report.head


def test_a_period_holds_only_what_lies_in_it(played: tuple[Installation, Month]) -> None:
    ca, month = played
    with made(ca, Period(START + DAY, START + 2 * DAY)) as report:
        assert {row["request"] for row in rows(report, "requests")} == {month.requests["denied"].id}
        assert [row["verdict"] for row in rows(report, "decisions")] == ["deny"]
        assert [row["digest"] for row in rows(report, "policies")] == [month.digests[3]]
        assert rows(report, "break_glass") == rows(report, "host_changes") == []
        assert {row["host"] for row in rows(report, "hosts")} == {"web1", "db1"}
        assert CAROL in {f"{row['person']} ({row['provider']})" for row in rows(report, "people")}


def test_what_was_erased_is_shown_as_erased(tmp_path: Path, shared_issuers: dict[str, Issuer]) -> None:
    ca = Installation(tmp_path, shared_issuers)
    ca.add_host("web1", env="staging")
    ca.ask(ca.native(installation.ALICE), "web1", reason="CHG-1 a secret name")
    ca.later(100 * DAY)
    ca.web(installation.BOB)
    ca.say(m.Forget(int(ca.time) - 40 * DAY, dry_run=False), m.ForgetReply, "admin")
    with made(ca) as report:
        (row,) = rows(report, "requests")
        assert (row["hosts"], row["reason"], row["login"]) == ((ERASED,), ERASED, ERASED)
        assert row["person"].endswith(ERASED)
        assert (row["rule"], row["state"], row["certificates"]) == ("staging", "over", 1)
        assert report.erased >= 3
        assert report.problems == ()
    ca.stop()


def test_a_log_that_was_changed_is_said_to_be(tmp_path: Path, shared_issuers: dict[str, Issuer]) -> None:
    ca = Installation(tmp_path, shared_issuers)
    ca.web(installation.ALICE)
    with ca.store.engine.begin() as connection:
        connection.execute(sa.update(kept).values(text="version = 1\n"))
    with made(ca) as report:
        assert any("was changed" in problem for problem in report.problems)
        assert rows(report, "reach") == []
        assert rows(report, "policies")[0]["text"].startswith("another text is stored under its digest")
    with ca.store.engine.begin() as connection:
        connection.execute(sa.update(entries).where(entries.c.kind == "login").values(fact=b"{}"))
    with pytest.raises(Failed) as broken, made(ca):
        pass
    assert broken.value.code == "log_broken"
    ca.stop()


@pytest.mark.parametrize("server", ["postgresql"])
def test_a_database_server_tells_the_same(
    server: str, report: Report, postgres: Postgres, tmp_path: Path, shared_issuers: dict[str, Issuer]
) -> None:
    with played_in(tmp_path, shared_issuers, postgres.new()) as (ca, _), made(ca) as on_server:
        assert ca.store.engine.dialect.name == server
        assert on_server.problems == ()
        assert on_server.head.size == report.head.size
        for table in BY_KEY:
            assert on_server.spool.count(table) == report.spool.count(table), table
        assert [row["reason"] for row in rows(on_server, "requests")] == [
            row["reason"] for row in rows(report, "requests")
        ]


def test_a_period_in_which_nothing_happened_still_says_who_could(played: tuple[Installation, Month]) -> None:
    ca, _ = played
    with made(ca, Period(START + 100 * DAY, START + 101 * DAY)) as report:
        assert {row["rule"] for row in rows(report, "reach")} == {"staging", "nightly", "database", "on-call"}
        assert {row["held"] for row in rows(report, "reach")} == {"throughout"}
        assert len(rows(report, "people")) == 7
        assert {row["request"] for row in rows(report, "requests")} == {
            row["request"] for row in rows(report, "break_glass")
        }
        assert [row["standing"] for row in rows(report, "break_glass")] == ["overdue"], "it stays until somebody looked"
        assert rows(report, "decisions") == rows(report, "certificates") == []


def test_a_review_after_the_period_counts_and_names_who_came_later(
    tmp_path: Path, shared_issuers: dict[str, Issuer]
) -> None:
    ca = Installation(tmp_path, shared_issuers)
    ca.add_host("db1", env="prod", role="db")
    ca.change_policy(*GLASS)
    request = break_glass(ca, ca.native(installation.ALICE)).request
    ca.later(2 * HOUR)
    review(ca, ca.web(installation.BOB), request)
    with made(ca, Period(START, START + HOUR)) as report:
        (row,) = rows(report, "break_glass")
        assert (row["standing"], row["reviewer"], row["reviewed"]) == ("justified", BOB, START + 2 * HOUR)
        assert [person["email"] for person in rows(report, "people")] == ["alice@example.com"]
    ca.stop()
