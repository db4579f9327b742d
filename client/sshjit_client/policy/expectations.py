"""Tests of a policy: a TOML file of questions, each with the answer that is expected.

Besides ``[[test]]`` the file may name its policy and its inventory, hold hosts and people of its own, and set the time.
Nothing is guessed: a test that expects nothing is refused, and so is an unknown key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sshjit import durations
from sshjit.passkeys import SIGNED
from sshjit.policy import Allow, Ask, NeedsApproval, Policy, PolicyError, Subject
from sshjit.policy.model import Never, TicketState
from sshjit.policy.problems import did_you_mean
from sshjit.policy.reader import Table
from sshjit.policy.sentences import read_nevers
from sshjit.policy.types import ASSUMED, FOREVER, TicketAnswer, Turn
from sshjit_client.policy.inventory import (
    FILE,
    Inventory,
    load_inventory,
    read_hosts,
    read_people,
    signed_in,
    with_bastions,
)
from sshjit_client.policy.outcome_json import VERDICTS, outcome_values
from sshjit_client.policy.policy_files import parse_time, read_policy, read_table
from sshjit_client.policy.question import Question, evaluate, explain

ADDRESS = "192.0.2.1"
"""The default of the address that a request comes from (RFC 5737: nobody's)."""
_TOP = {
    "version": True,
    **dict.fromkeys(("policy", "inventory", "at", "hosts", "bastions", "people", "test", "never"), False),
}
_ASKED = {
    **dict.fromkeys(("name", "person", "hosts"), True),
    **dict.fromkeys(("login", "action", "command", "for", "reason", "address", "break_glass", "at", "start"), False),
    **dict.fromkeys(("signed_in", "mfa", "hardware_key", "ticket", "on_call"), False),
}
_TEXTS = ("rule", "code", "as", "message", "hint")
_LENGTHS = ("duration", "grant", "certificate", "pending", "use_by")
_LISTS = ("needs", "source", "forwarding", "notify")
_EXPECTED = {"expect": True, **dict.fromkeys((*_TEXTS, *_LENGTHS, *_LISTS, "steps", "ends_by", "misses"), False)}
_TICKETS: dict[str, TicketState] = {
    "accepted": "answered",
    "refused": "answered",
    "missing": "missing",
    "down": "down",
}
"""What a test may say of a ticket; accepted, if it says nothing."""
_STEP = {"from": True, "count": True, "signed": False}


@dataclass(frozen=True, slots=True)
class Case:
    """One test. ``expected`` are values of the outcome; ``misses``: for a rule, why it must not match."""

    name: str
    line: int
    question: Question
    expected: Mapping[str, Any]
    misses: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Difference:
    """A value that is not what was expected."""

    what: str
    expected: object
    got: object


def run(case: Case) -> tuple[Difference, ...]:
    """What is not as the test expects it, by both ``evaluate`` and ``explain``."""
    values = outcome_values(evaluate(case.question), case.question.hosts)
    explanation = explain(case.question)
    differences = [
        Difference(key, value, values.get(key)) for key, value in case.expected.items() if values.get(key) != value
    ]
    if outcome_values(explanation.outcome, case.question.hosts) != values:  # a defect of ours, which must not be hidden
        differences.append(Difference("explanation", values, outcome_values(explanation.outcome, case.question.hosts)))
    for name, reason in case.misses.items():
        reasons = [miss.reason for rule in explanation.rules if rule.name == name for miss in rule.misses]
        if reason not in reasons:
            differences.append(
                Difference(f"misses.{name}", reason, "; ".join(reasons) or "no such rule, or it matches")
            )
    return tuple(differences)


@dataclass(frozen=True, slots=True)
class Suite:
    """What a file of tests holds: the tests, and sentences to be proved of the policy from a time on."""

    cases: tuple[Case, ...]
    policy: Policy
    nevers: tuple[Never, ...]
    at: int


def load_suite(path: Path, policy_path: Path | None, inventory_path: Path | None, now: int) -> Suite:
    """The tests in a file. ``policy_path`` and ``inventory_path`` win over what the file says.

    ``now`` is the time, unless the test or the file sets it.

    Raises:
        PolicyError: with every problem of the first file that has some.

    """
    top = read_table(path, _TOP)
    policy = read_policy(policy_path or path.parent / (top.text("policy") or "policy.toml"))
    named = top.text("inventory")
    beside = inventory_path or path.parent / (named or FILE)
    kept = load_inventory(beside, policy) if inventory_path or named or beside.exists() else Inventory({}, {})
    hosts = with_bastions(top, {**kept.hosts, **read_hosts(top, policy)})
    inventory = Inventory(hosts, {**kept.people, **read_people(top, policy)})
    default = top.checked(("at",), parse_time, top.any("at")) if "at" in top else now
    tables = [Table(value, at, top.report, {**_ASKED, **_EXPECTED}) for at, value in top.tables("test")]
    cases = [_case(table, policy, inventory, default or now) for table in tables]
    nevers = read_nevers(top, policy.labels, policy.roles, policy.actions)
    if not cases and not nevers:
        top.wrong(("test",), "there are no tests", "write a [[test]] with name, person, hosts and expect")
    names = [case.name for case in cases]
    for number, name in enumerate(names):
        if name in names[:number]:
            top.wrong(("test", number, "name"), f'"{name}" is the name of a test already')
    if top.report.problems:
        raise PolicyError(top.report.problems)
    return Suite(tuple(cases), policy, nevers, default or now)


def _case(table: Table, policy: Policy, inventory: Inventory, now: int) -> Case:
    now = (table.checked(("at",), parse_time, table.any("at")) if "at" in table else now) or now
    hosts = table.one_or_more("hosts", inventory.hosts, "host") if "hosts" in table else ()
    known = tuple(inventory.hosts[name] for name in hosts or ())
    question = Question(policy, inventory, _subject(table, policy, inventory, now), known, _ask(table), now)
    misses = {rule: str(reason) for rule, reason in (table.get("misses", dict) or {}).items()}
    question = _with_ticket(table, question) if table.sound else question
    return Case(table.text("name") or "", table.report.line(table.path), question, _expected(table), misses)


def _subject(table: Table, policy: Policy, inventory: Inventory, now: int) -> Subject:
    name = table.text("person")
    member = inventory.people.get(name or "")
    if member is None:
        if name is not None:
            table.wrong(("person",), f'there is no person "{name}"', did_you_mean(name, inventory.people))
        return Subject("", "", frozenset(), frozenset())
    ago = signed_in(table)
    member = member if ago is None else replace(member, signed_in=ago)
    changed: dict[str, Any] = {key: table.flag(key) for key in ("mfa", "hardware_key") if key in table}
    if "on_call" in table:
        named = table.names("on_call", policy.rotas, "rota", empty="none") or ()
        changed["on_call"] = tuple(Turn(rota, 0, FOREVER) for rota in named)
    return replace(member.at(now), **changed)


def _with_ticket(table: Table, question: Question) -> Question:
    """With ``ticket = "refused"`` and the like: what the checker says of the ticket that the deciding rule wants."""
    says = table.get("ticket", str)
    if says is None:
        return question
    if says not in _TICKETS:
        table.wrong(("ticket",), f'a checker does not say "{says}"', did_you_mean(says, _TICKETS))
    outcome = evaluate(question)
    wanted = outcome.terms.ticket if isinstance(outcome, Allow | NeedsApproval) else None
    if wanted is None:
        return question
    checker = question.policy.tickets[wanted.checker]
    values = tuple((path, accepted[0] if says == "accepted" else "") for path, accepted in checker.expect)
    answer = TicketAnswer(wanted.checker, wanted.ticket, _TICKETS.get(says, "down"), values, "as the test says")
    return replace(question, ask=replace(question.ask, ticket=answer))


def _ask(table: Table) -> Ask:
    return Ask(
        login=table.text("login"),
        action=table.text("action") or "shell",
        command=table.text("command"),
        duration=table.duration("for"),
        reason=table.get("reason", str) or "",
        address=ADDRESS if "address" not in table else table.get("address", str) or None,
        break_glass=table.flag("break_glass"),
        start=table.checked(("start",), parse_time, table.any("start")) if "start" in table else None,
        ticket=ASSUMED,
    )


def _expected(table: Table) -> dict[str, Any]:
    """The expected values, in the form of ``outcome_values``."""
    expect = table.get("expect", str)
    if expect is not None and expect not in VERDICTS:
        table.wrong(("expect",), f'there is no verdict "{expect}"', did_you_mean(expect, VERDICTS))
    expected: dict[str, Any] = {"expect": expect}
    expected.update((key, table.get(key, str)) for key in _TEXTS if key in table)
    expected.update(
        (key, table.checked((key,), durations.parse, table.get(key, str) or "")) for key in _LENGTHS if key in table
    )
    expected.update((key, list(table.names(key, None, "one", empty="none") or ())) for key in _LISTS if key in table)
    if "ends_by" in table:
        expected["ends_by"] = table.checked(("ends_by",), parse_time, table.any("ends_by"))
    if "steps" in table:
        expected["steps"] = [_step(table, at, value) for at, value in table.tables("steps")]
    return expected


def _step(table: Table, path: tuple[str | int, ...], value: object) -> dict[str, object]:
    step = Table(value, path, table.report, _STEP)
    return {"from": step.text("from"), "count": step.get("count", int), "signed": _signed(step)}


def _signed(step: Table) -> bool | str:
    """``signed`` as a policy writes it."""
    value = step.any("signed") if "signed" in step else False
    if not isinstance(value, bool) and str(value) not in SIGNED:
        step.wrong(("signed",), f"must be true, false or one of {', '.join(SIGNED)}")
    return value if isinstance(value, bool) else str(value)
