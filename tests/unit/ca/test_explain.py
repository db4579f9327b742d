"""The dry run: what asking would say, said before, with every rule and whoever could approve."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from sshjit import ca_protocol as m
from sshjit.api.explain import MOST_EACH
from sshjit.errors import Invalid, Refused, SshJitError
from tests.support.break_glass import GLASS, REASON, break_glass
from tests.support.installation import ALICE, BOB, CAROL, DANA, Installation, Person

ERIN = Person("e-5", ("SRE Leads",), "erin@example.com")
FRANK = Person("f-6", ("SRE", "Database"), "frank@example.com")
EXPLAINS = ('lock = ["lead"]\n', 'lock = ["lead"]\nexplain = ["lead"]\n')
MORE = (
    '[[allow]]\nname = "database"',
    """[[deny]]
name = "freeze"
hosts = { env = "staging" }
days = ["sun"]
zone = "Europe/Berlin"
[[allow]]
name = "fresh"
roles = ["dba"]
hosts = { env = "staging" }
logins = ["root"]
fresh_login = "10m"
approvals = [{ from = "lead", count = 1 }]
grant = "1h"
certificate = "5m"
extend = { count = 2, by = "30m" }
source = "client"
[[allow]]
name = "database\"""",
)


QUESTION = m.Explain(
    login_id=None,
    person=None,
    hosts=("db1",),
    labels=(),
    login=None,
    action="shell",
    command=None,
    duration=None,
    reason="CHG-7 add index",
    start=None,
    break_glass=False,
    address="192.0.2.7",
)


def explain(ca: Installation, login_id: str | None, host: str = "db1", **changed: Any) -> m.ExplainReply:
    question = replace(QUESTION, login_id=login_id, hosts=(host,), **changed)
    return ca.say(question, m.ExplainReply, "web" if login_id else "admin")


def test_it_shows_terms_rules_and_who_could_approve(ca: Installation) -> None:
    ca.web(BOB)
    ca.web(ERIN)
    size = ca.context.journal.size
    login = ca.web(DANA)
    found = explain(ca, login, duration=7200)
    assert ca.kinds()[size:] == ["provider", "login"], "nothing but the sign-in was recorded"
    assert (found.verdict, found.rule, found.login, found.roles) == ("approval", "database", "postgres", ("dba",))
    assert found.terms is not None
    assert (found.terms.duration, found.terms.capped) == (3600, True)
    assert found.steps == (m.StepView("lead", 1, signed=False, missing=1, candidates=(BOB.sub, ERIN.sub)),)
    by_name = {rule.name: rule for rule in found.rules}
    assert by_name["database"].decides
    assert {miss.matcher for miss in by_name["staging"].misses} == {"roles", "hosts", "logins"} or by_name[
        "staging"
    ].misses


def test_who_lacks_a_rule_sees_what_each_rule_misses(ca: Installation) -> None:
    found = explain(ca, ca.web(CAROL))
    assert (found.verdict, found.code, found.terms, found.steps) == ("denied", "no_rule", None, ())
    assert all(rule.misses for rule in found.rules)
    assert found.hint


def test_others_are_explained_to_those_who_may(ca: Installation) -> None:
    ca.change_policy(*EXPLAINS)
    alice, bob = ca.web(ALICE), ca.web(BOB)
    ca.web(DANA)
    for said in ("dana@example.com", DANA.sub, ca.context.state.subjects["partner/d-4"]):
        assert explain(ca, bob, person=said).person.name == DANA.sub
        with pytest.raises(Refused) as not_permitted:
            explain(ca, alice, person=said)
        assert not_permitted.value.code == "not_permitted"
    assert explain(ca, alice, person=ca.logins[alice].person.id).person.name == ALICE.sub
    with pytest.raises(Invalid) as unknown:
        explain(ca, bob, person="nobody@example.com")
    assert unknown.value.code == "unknown_person"


def test_the_operator_asks_about_anybody_but_says_whom(ca: Installation) -> None:
    ca.web(DANA)
    ca.later(40 * 3600)
    assert explain(ca, None, person=DANA.sub).verdict == "approval", "a sign-in that is over counts as renewed"
    with pytest.raises(Invalid):
        explain(ca, None)
    with pytest.raises(Refused):
        ca.say(replace(QUESTION, person=DANA.sub), m.ExplainReply)


def test_several_people_of_one_name_are_named(ca: Installation) -> None:
    ca.web(ALICE)
    ca.web(Person("a-1", ("SRE",), "other@example.com", provider="partner"))
    with pytest.raises(Invalid) as which:
        explain(ca, None, person=ALICE.sub)
    assert which.value.code == "which_person"


def test_locks_are_shown_as_a_no(ca: Installation) -> None:
    login = ca.web(DANA)
    ca.say(m.Lock(None, "host", "db1", "odd traffic"), m.LockReply, "admin")
    found = explain(ca, login)
    assert (found.verdict, found.code) == ("denied", "locked")
    assert "odd traffic" in found.message
    assert found.rule == "database", "what policy alone would say is still shown"
    ca.say(m.Lock(None, "person", ca.logins[login].person.id, "left"), m.LockReply, "admin")
    assert "left" in explain(ca, None, person=DANA.sub).message


def test_what_nobody_could_approve_is_a_no(ca: Installation) -> None:
    login = ca.web(Person("d-5", ("SRE Leads",), "dana2@example.com", provider="partner"))
    ca.change_policy('"partner/email:dana@example.com"', '"partner/email:dana2@example.com"')
    ca.change_policy('lead = ["acme/group:SRE Leads"]', 'lead = ["partner/group:SRE Leads"]')
    found = explain(ca, login)
    assert (found.verdict, found.code, found.steps[0].candidates) == ("denied", "nobody_can_approve", ())


def test_an_overdue_review_is_a_no(ca: Installation) -> None:
    ca.change_policy(*GLASS)
    break_glass(ca, ca.native(ALICE))
    ca.later(25 * 3600)
    login = ca.web(ALICE)
    found = explain(ca, login, break_glass=True, reason=REASON)
    assert (found.verdict, found.code, found.rule) == ("denied", "review_overdue", "on-call")
    with pytest.raises(Refused) as overdue:
        break_glass(ca, login)
    assert (overdue.value.code, overdue.value.message) == (found.code, found.message)


def test_what_is_open_already_is_said(ca: Installation) -> None:
    login = ca.web(ALICE)
    assert explain(ca, login, "web1").message == ""
    request = ca.ask(login, "web1").request
    found = explain(ca, login, "web1")
    assert found.verdict == "allow"
    assert request.id in found.message


def outcome(ca: Installation, message: m.Ask | m.Explain) -> tuple[str, str, str]:
    """Verdict, code and words of what is answered."""
    (answer,) = ca.say_all([message])
    match answer:
        case Refused(code="step_up"):
            return "step_up", answer.code, answer.message
        case SshJitError():
            return "denied" if isinstance(answer, Refused) else "invalid", answer.code, answer.message
        case m.ExplainReply():
            return answer.verdict, answer.code, answer.message if answer.code else ""
        case m.AskReply():
            return ("allow" if answer.request.state == "approved" else "approval"), "", ""
        case _:
            raise AssertionError(answer)


def anything(chance: random.Random, now: int) -> dict[str, Any]:
    """The fields of some ask, sensible or not."""
    glass, action = chance.random() < 0.3, chance.choice(("shell", "shell", "shell", "migrate", "command", "other"))
    some = {
        "hosts": chance.choice((("web1",), ("db1",), ("db1",), ("web1", "db1"), (), ("nohost",))),
        "labels": chance.choice(((), (), (), (("env", "prod"),), (("env", "nothing"),))),
        "login": chance.choice((None, None, None, "deploy", "postgres", "root")),
        "action": action,
        "command": "uptime" if action == "command" else None,
        "duration": chance.choice((None, 60, 10**6, 0)),
        "reason": chance.choice(("CHG-7 add index", "CHG-7 add index", "because", REASON)),
        "start": chance.choice((None, None, None, now + 3600, now + 5 * 24 * 3600)),
        "break_glass": glass,
        "address": chance.choice(("192.0.2.7", "192.0.2.7", "")),
    }
    if chance.random() < 0.4:  # a sensible one, which gets far
        some |= {"labels": (), "login": None, "action": "shell", "command": None, "duration": None, "start": None}
        some |= {"hosts": ("db1",) if glass else ("web1",), "break_glass": glass}
        some["reason"] = chance.choice((REASON, REASON, "short"))
    return some


@pytest.mark.parametrize("seed", range(3))
def test_the_dry_run_says_what_asking_says(ca: Installation, seed: int) -> None:
    ca.change_policy(*GLASS)
    ca.change_policy(*MORE)
    chance = random.Random(seed)  # noqa: S311 - the same cases each time
    logins: dict[str, str] = {}
    seen = set()
    for step in range(200):
        person = chance.choice((ALICE, ALICE, BOB, CAROL, DANA, ERIN, FRANK))
        if step % 20 == 19:
            ca.later(chance.choice((700, 700, 6 * 3600, 26 * 3600)))
        if person.sub not in logins or not ca.context.state.logins[logins[person.sub]].alive(int(ca.time)):
            logins[person.sub] = ca.native(person) if chance.random() < 0.5 else ca.web(person)
        locked = chance.random() < 0.03
        if locked:
            lock = ca.say(m.Lock(None, "host", chance.choice(("web1", "db1")), "odd"), m.LockReply, "admin").lock
        fields = anything(chance, int(ca.time))
        dry = outcome(ca, m.Explain(logins[person.sub], None, **fields))
        wet = outcome(ca, m.Ask(logins[person.sub], certificate=False, **fields))
        assert dry == wet, (person.sub, fields)
        seen.add(wet[:2])
        if locked:
            ca.say(m.Unlock(None, lock.id, "well again", None), m.Done, "admin")
    codes = {code for _, code in seen}
    assert {"", "no_rule", "locked", "unknown_host", "bad_reason", "step_up"} <= codes, codes
    assert {"allow", "approval", "step_up", "denied", "invalid"} == {verdict for verdict, _ in seen}


def test_each_host_of_a_question_has_the_answer_that_it_would_have_alone(ca: Installation) -> None:
    """Under another rule, for another reason, or for none of them."""
    login = ca.native(ALICE)
    names = [f"app{number}" for number in range(MOST_EACH)]
    for name in names:
        ca.say(m.AddHost(name, (), "192.0.2.9", 22, (("env", "staging"),), ()), m.HostReply, "admin")
    hosts = ("db1", "web1", "app0")
    asked = replace(QUESTION, login_id=login, hosts=hosts, each=True)
    reply = ca.say(asked, m.ExplainReply)
    for answer, host in zip(reply.each, hosts, strict=True):
        alone = explain(ca, login, host)
        needed = tuple(step.role for step in alone.steps for _ in range(step.count))
        assert answer == m.HostAnswer(host, alone.verdict, alone.code, alone.login, needed)
    assert {answer.verdict for answer in reply.each} > {"allow"}
    assert replace(reply, each=()) == explain(ca, login, "db1"), "the rest is about the first"
    assert explain(ca, login, "db1").each == ()
    with pytest.raises(Invalid, match=f"at most {MOST_EACH} hosts are explained at once") as error:
        ca.say(replace(asked, hosts=("db1", *names)), m.ExplainReply)
    assert error.value.code == "too_many_hosts"
    assert len(ca.say(replace(asked, hosts=tuple(names)), m.ExplainReply).each) == MOST_EACH
