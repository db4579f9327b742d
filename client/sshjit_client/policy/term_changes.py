"""How the terms of two rules differ, and which of the two gives more."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

from sshjit.approvals import Step, covers
from sshjit.durations import show
from sshjit.policy import words
from sshjit.policy.limits import limits_text, no_more
from sshjit.policy.model import CLIENT, AllowRule, Checker, Extend
from sshjit.policy.networks import within

Direction = Literal["wider", "narrower", "other"]


@dataclass(frozen=True, slots=True)
class Change:
    """One term that differs. ``wider``: the new rule gives more or requires less."""

    what: str
    old: str
    new: str
    direction: Direction


@dataclass(frozen=True, slots=True)
class _Term:
    """``gives(a, b)``: whether ``b`` gives at least as much as ``a``, or requires no more."""

    what: str
    value: Callable[[AllowRule], Any]
    gives: Callable[[Any, Any], bool]
    text: Callable[[Any], str]


def compare_terms(old: AllowRule, new: AllowRule, commands: tuple[str | None, str | None]) -> tuple[Change, ...]:
    """What is different for a person to whom ``new`` applies instead of ``old``.

    ``commands`` are those of the named action in the two policies; ``None`` for a shell. The names of the rules do
    not count: access under another name is the same access.
    """
    changes = [
        Change(term.what, term.text(before), term.text(after), _direction(term, before, after))
        for term in _TERMS
        if (before := term.value(old)) != (after := term.value(new))
        and (term.what != "pending" or (old.approvals and new.approvals))  # otherwise nothing ever waits for an answer
    ]
    if commands[0] != commands[1]:
        changes.insert(0, Change("command", commands[0] or "", commands[1] or "", "other"))
    return tuple(changes)


def _direction(term: _Term, before: Any, after: Any) -> Direction:
    wider, narrower = term.gives(before, after), term.gives(after, before)
    return "other" if wider == narrower else "wider" if wider else "narrower"


def steps_text(steps: Iterable[Step]) -> str:
    """``1 of dba and 2 of sre-lead, signed``."""
    return " and ".join(words.step(step) for step in steps) or "none"


def _longest(value: int | None) -> float:
    return math.inf if value is None else value


Reason = tuple[str | None, int]
"""Pattern and shortest length: what of a reason restricts. The prompt does not."""


def _reason(rule: AllowRule) -> Reason | None:
    if rule.reason is None:
        return None
    return rule.reason.pattern.pattern if rule.reason.pattern else None, rule.reason.shortest


def _reason_gives(old: Reason | None, new: Reason | None) -> bool:
    return new is None or (old is not None and new[0] is None and new[1] <= old[1])


def _reason_text(reason: Reason | None) -> str:
    if reason is None:
        return "none"
    pattern, shortest = reason
    return f"like {pattern}" if pattern else "any" if shortest == 1 else f"{shortest} characters or more"


Ticket = tuple[Checker, bool]
"""Who must accept it, without the title that people read, and whether a checker that is down does."""


def _ticket(rule: AllowRule) -> Ticket | None:
    return None if rule.ticket is None else (replace(rule.ticket, title=""), rule.ticket_down_allows)


def _ticket_gives(old: Ticket | None, new: Ticket | None) -> bool:
    if old is None or new is None:
        return new is None
    (was, was_lax), (checker, lax) = old, new
    wanted = dict(was.expect)
    accepts = all(path in wanted and set(wanted[path]) <= set(values) for path, values in checker.expect)
    return was.name == checker.name and accepts and lax >= was_lax


def _ticket_text(ticket: Ticket | None) -> str:
    if ticket is None:
        return "none"
    checker, lax = ticket
    wanted = (f"{path} {words.listed(values, 'or')}" for path, values in checker.expect)
    return f"of {checker.name} with {words.listed(wanted)}{', or while it is down' if lax else ''}"


def _source_gives(old: tuple[str, ...], new: tuple[str, ...]) -> bool:
    if not old or not new or CLIENT in (*old, *new):
        return not new or old == new
    return within(old, new)


def _extend_gives(old: Extend | None, new: Extend | None) -> bool:
    return old is None or (new is not None and new.count >= old.count and new.by >= old.by)


def _extend_text(extend: Extend | None) -> str:
    return "none" if extend is None else f"{extend.count} by {show(extend.by)}"


def _listed(values: Iterable[str]) -> str:
    return ", ".join(values) or "none"


def _length(what: str, value: Callable[[AllowRule], int]) -> _Term:
    return _Term(what, value, lambda a, b: b >= a, show)


def _demand(what: str, value: Callable[[AllowRule], bool]) -> _Term:
    return _Term(what, value, lambda a, b: a or not b, lambda needed: "needed" if needed else "not needed")


_TERMS = (
    _Term("approvals", lambda rule: rule.approvals, covers, steps_text),
    _Term("reason", _reason, _reason_gives, _reason_text),
    _Term("ticket", _ticket, _ticket_gives, _ticket_text),
    _Term(
        "fresh_login",
        lambda rule: rule.fresh_login,
        lambda a, b: _longest(b) >= _longest(a),
        lambda age: "any" if age is None else show(age),
    ),
    _demand("mfa", lambda rule: rule.mfa),
    _demand("hardware_key", lambda rule: rule.hardware_key),
    _demand("signed_request", lambda rule: rule.signed_request),
    _demand("post_quantum", lambda rule: rule.post_quantum),
    _demand("post_quantum_key", lambda rule: rule.post_quantum_key),
    _length("grant", lambda rule: rule.grant),
    _length("certificate", lambda rule: rule.certificate),
    _length("pending", lambda rule: rule.pending),
    _length("use_by", lambda rule: rule.use_by),
    _Term("max_hosts", lambda rule: rule.max_hosts, lambda a, b: b >= a, str),
    _Term(
        "limits",
        lambda rule: rule.limits,
        lambda a, b: no_more(b.person, a.person) and no_more(b.rule, a.rule),
        limits_text,
    ),
    _Term("source", lambda rule: rule.source, _source_gives, lambda nets: ", ".join(nets) or "anywhere"),
    _Term("networks", lambda rule: rule.networks, _source_gives, lambda nets: ", ".join(nets) or "anywhere"),
    _Term("forwarding", lambda rule: rule.forwarding, lambda a, b: set(a) <= set(b), _listed),
    _Term("extend", lambda rule: rule.extend, _extend_gives, _extend_text),
    _Term(
        "notify",
        lambda rule: rule.break_glass.notify if rule.break_glass else (),
        lambda a, b: set(b) <= set(a),
        _listed,
    ),
    _Term("keep_open", lambda rule: rule.keep_open, lambda a, b: b or not a, lambda kept: "yes" if kept else "no"),
    _length("review_within", lambda rule: rule.break_glass.review_within if rule.break_glass else 0),
)
