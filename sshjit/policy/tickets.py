"""Tickets: who is asked about them, which answer is a yes, and what of a reason is sent there.

Where a checker is, and by which credentials it is asked, the CA's configuration says: whoever writes a policy cannot
send the CA anywhere. What counts as a yes is the policy's, and part of its digest. Values are compared as JSON texts,
so ``1``, ``"1"`` and ``true`` are three different answers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from sshjit.policy import fields, words
from sshjit.policy.model import AllowRule, Checker
from sshjit.policy.problems import Path, did_you_mean
from sshjit.policy.reader import NAME, Table, kind
from sshjit.policy.types import Denied, TicketAnswer

LONGEST = 100
"""Characters of a ticket's name, and of an expected value."""
MOST = 16
"""Values that a checker's answer is held against."""
DOWN = ("refuse", "allow")
"""What a rule may say of a checker that does not answer."""
_VALUE_HINT = "write text, a whole number, true or false, or a list of these"
_DOTS = frozenset({".", ".."})
"""What a server takes for a step in a path, however it is written; some undo the encoding of ``/`` before."""
_SEPARATORS = re.compile(r"[/\\]")


def read_tickets(top: Table) -> dict[str, Checker]:
    """``[tickets.jira]``: the checkers that rules may name."""
    checkers = {}
    for name, path, value in top.entries("tickets"):
        table = Table(value, path, top.report, fields.CHECKER)
        if not NAME.fullmatch(name):
            table.wrong((), "is not a name: use lower-case letters, digits, '-' and '_'")
        expect = tuple(_expected(table, ("expect",), table.get("expect", dict) or {}))
        if "expect" in table and not expect and table.sound:
            table.wrong(("expect",), "must not be empty: any answer would be a yes")
        if len(expect) > MOST:
            table.wrong(("expect",), f"has {len(expect)} values; {MOST} are the most")
        checkers[name] = Checker(name, table.text("title") or name, expect)
    return checkers


def _expected(table: Table, where: Path, wanted: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The expected values by path; tables in tables are the objects of the answer."""
    for key, value in wanted.items():
        at = (*where, key)
        if isinstance(value, dict):
            if not value:
                table.wrong(at, "must not be empty")
            yield from _expected(table, at, value)
            continue
        values = value if isinstance(value, list) else [value]
        if not values:
            table.wrong(at, "must not be empty: no answer would be a yes")
        for one in values:
            if type(one) not in (str, int, bool):
                table.wrong(at, f"must be a value of JSON, is {kind(one)}", _VALUE_HINT)
            elif len(str(one)) > LONGEST:
                table.wrong(at, f"has more than {LONGEST} characters")
        yield path_text(at[1:]), tuple(map(value_text, values))


def read_rule_ticket(table: Table, checkers: Mapping[str, Checker]) -> tuple[Checker | None, bool]:
    """``ticket`` and ``ticket_down`` of a rule: the checker, and whether one that is down allows."""
    named, down = read_ticket_keys(table, checkers)
    if down is not None and "ticket" not in table:
        table.wrong(("ticket_down",), "has no effect without ticket")
    reason = table.any("reason")
    if named is not None and not (isinstance(reason, dict) and "pattern" in reason):
        table.wrong(("ticket",), "needs reason.pattern: what it matches is the ticket")
    return checkers.get(named or ""), down == "allow"


def read_ticket_keys(table: Table, checkers: Collection[str]) -> tuple[str | None, str | None]:
    """The same of a rule or a set of terms, each as it is written."""
    values = []
    for key, known, what in (("ticket", checkers, "ticket checker"), ("ticket_down", DOWN, "answer to a checker down")):
        value = table.get(key, str)
        if value is not None and value not in known:
            table.wrong((key,), f'there is no {what} "{value}"', did_you_mean(value, known))
        values.append(value)
    return values[0], values[1]


def path_text(path: Path) -> str:
    """``fields.status.name``; a key that is not a plain word is in quotes."""
    keys = (str(key) for key in path)
    return ".".join(key if key.replace("_", "").replace("-", "").isalnum() else json.dumps(key) for key in keys)


def value_text(value: object) -> str:
    """A value as JSON writes it; empty for what cannot be expected: an object, a list, nothing, a text too long."""
    if type(value) not in (str, int, bool) or len(str(value)) > LONGEST:
        return ""
    return json.dumps(value, ensure_ascii=False)


def read_answer(checker: Checker, document: object) -> tuple[tuple[str, str], ...]:
    """What an answer says at the paths that count: a text each, as ``value_text``; empty if it says nothing there."""
    leaves = {path_text(path): value for path, value in _leaves((), document)}
    return tuple((path, value_text(leaves.get(path))) for path, _ in checker.expect)


def _leaves(path: Path, value: object) -> Iterator[tuple[Path, object]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves((*path, key), inner)
    else:
        yield path, value


def ticket_in(rule: AllowRule, reason: str) -> str:
    """What goes to the checker: the first text in a reason that the rule's pattern matches."""
    match = rule.reason.pattern.search(reason) if rule.reason is not None and rule.reason.pattern is not None else None
    return "" if match is None else match.group()


def _has_steps(ticket: str) -> bool:
    return not _DOTS.isdisjoint(_SEPARATORS.split(ticket))


def ticket_refusal(rule: AllowRule, reason: str, answer: TicketAnswer | None) -> Denied | None:
    """Why the ticket in a reason does not do for a rule, by what was said of it; ``None``: it does."""
    if rule.ticket is None:
        return None
    checker, ticket = rule.ticket, ticket_in(rule, reason)
    if not ticket or len(ticket) > LONGEST or not ticket.isprintable() or _has_steps(ticket):
        message = f'rule "{rule.name}" takes from the reason what is no name of a ticket'
        return Denied("bad_ticket", rule.name, message, "write the ticket in its usual form")
    if answer is not None and answer.state == "assumed":
        return None
    if answer is None or (answer.checker, answer.ticket) != (checker.name, ticket):
        message = f'rule "{rule.name}" wants {checker.title} to be asked about {ticket}, and it was not'
        return Denied("ticket_unchecked", rule.name, message, "try again")
    return _judge(checker, rule, answer)


def _judge(checker: Checker, rule: AllowRule, answer: TicketAnswer) -> Denied | None:
    if answer.state == "down":
        if rule.ticket_down_allows:
            return None
        message = f'rule "{rule.name}" needs {checker.title} to accept {answer.ticket}, and it does not answer'
        return Denied("ticket_down", rule.name, f"{message}: {answer.why}", "try again later, or tell your operator")
    if answer.state == "missing":
        return Denied("unknown_ticket", rule.name, f"{checker.title} has no {answer.ticket}", "name a ticket of it")
    values = dict(answer.values)
    for path, accepted in checker.expect:
        if not values.get(path) or values[path] not in accepted:
            stated = values.get(path) or "nothing of use"
            message = f"{checker.title} says {stated} for {path} of {answer.ticket}"
            message += f": {answer.why}" if answer.why else ""
            return Denied("ticket_refused", rule.name, message, f"it must be {words.listed(accepted, 'or')}")
    return None
