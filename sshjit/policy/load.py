"""Turns the text of a policy into a ``Policy``, or reports everything that is wrong with it.

Nothing is guessed: an unknown key, an empty matcher or a missing duration is a problem, never a default that would mean
everybody or for ever. The defaults are in ``model.py``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from sshjit.policy import fields
from sshjit.policy.calendars import read_calendars
from sshjit.policy.compiled import Policy, compile_policy
from sshjit.policy.model import ROTA, Rule
from sshjit.policy.problems import Path, PolicyError, Report
from sshjit.policy.reader import Table
from sshjit.policy.rules import Declared, read_allow, read_break_glass, read_deny, read_terms
from sshjit.policy.sections import (
    check_label,
    check_rota_roles,
    read_actions,
    read_labels,
    read_owners,
    read_permissions,
    read_roles,
    read_rotas,
)
from sshjit.policy.sentences import read_nevers
from sshjit.policy.tickets import read_tickets
from sshjit.policy.toml_text import document
from sshjit.tomllines import key_lines

R = TypeVar("R", bound=Rule)

VERSION = 1


def load(text: str, *, file: str = "policy.toml") -> Policy:
    """The policy that ``text`` is. ``file`` is what problems call it; it is not opened.

    Raises ``PolicyError`` with every problem that was found.
    """
    values = document(text, file)
    report = Report(file, key_lines(text))
    top = Table(values, (), report, fields.TOP)
    version = top.get("version", int)
    if version is not None and version != VERSION:
        top.wrong(("version",), f"must be {VERSION}, is {version}")
    labels, rotas, actions = read_labels(top), read_rotas(top), read_actions(top)
    roles = read_roles(top, rotas)
    check_rota_roles(top, roles)
    calendars = read_calendars(top)
    owners, tickets = read_owners(top, labels, roles), read_tickets(top)
    terms = read_terms(top, (*roles, *owners), owners, tickets)
    declared = Declared(labels, roles, actions, calendars, terms, owners, tickets)
    names: dict[str, str] = {}
    policy = compile_policy(
        digest=hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
        labels=labels,
        roles=roles,
        permissions=read_permissions(top, roles),
        actions=actions,
        calendars=calendars,
        owners=owners,
        tickets=tickets,
        rotas=rotas,
        idle_terms=tuple(name for name in declared.terms if name not in _taken_terms(values)),
        denies=_rules(top, "deny", read_deny, declared, names),
        allows=_rules(top, "allow", read_allow, declared, names),
        break_glass=_rules(top, "break_glass", read_break_glass, declared, names),
        nevers=read_nevers(top, labels, roles, actions),
    )
    if report.problems:
        raise PolicyError(report.problems)
    return policy


def check_labels(policy: Policy, labels: Mapping[str, str]) -> tuple[str, ...]:
    """What is wrong with the labels of a host that is to be enrolled, a sentence each; empty if nothing is."""
    problems = []
    for label, value in labels.items():
        problem = check_label(policy.labels, label, value)
        if problem is not None:
            message, suggestion = problem
            problems.append(f"{message}; {suggestion}" if suggestion else message)
    problems += [f'the label "{name}" is missing' for name in missing_labels(policy, labels)]
    return tuple(problems)


def missing_labels(policy: Policy, labels: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """The labels that a host must have and that are not among these, and which values each may have; none: any."""
    return {
        name: tuple(sorted(label.values or ()))
        for name, label in policy.labels.items()
        if label.required and name not in labels
    }


def providers_of(policy: Policy) -> frozenset[str]:
    """The providers that roles name, for a check that all of them are configured."""
    sources = (source for sources in policy.roles.values() for source in sources)
    return frozenset(source.provider for source in sources if source.kind != ROTA)


def _taken_terms(values: Mapping[str, Any]) -> frozenset[str]:
    """The sets of terms that some rule takes."""
    rules = [rule for kind in ("allow", "break_glass") for rule in values.get(kind, ()) if isinstance(rule, dict)]
    taken = [each if isinstance(each := rule.get("terms"), list) else [each] for rule in rules]
    return frozenset(name for names in taken for name in names if isinstance(name, str))


def _rules(
    top: Table,
    key: str,
    read: Callable[[object, Path, Table, Declared], R | None],
    declared: Declared,
    names: dict[str, str],
) -> tuple[R, ...]:
    """The rules under ``key``. ``names`` are those taken so far, with where."""
    rules = []
    for path, value in top.tables(key):
        rule = read(value, path, top, declared)
        name = value.get("name") if isinstance(value, dict) else None
        if isinstance(name, str) and name in names:
            top.report.add((*path, "name"), f'"{name}" is the name of {names[name]} already', "give it another name")
        elif isinstance(name, str):
            names[name] = f"{key}[{path[-1]}]"
        if rule is not None:
            rules.append(rule)
    return tuple(rules)
