"""Who could reach what: every policy of the period, asked about everybody and every host of the period.

Rows that several policies agree on are one. What the last policy gives is kept to find what nobody used.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sshjit import policy as policies
from sshjit.policy import Policy, PolicyError
from sshjit_ca.report import answers
from sshjit_ca.report.answers import Line
from sshjit_ca.report.estate import Stretch
from sshjit_ca.report.gathering import Gathering
from sshjit_ca.report.spool import Spool


@dataclass(slots=True)
class Reach:
    """What was found. ``last`` is the policy in force when the period ended, if its text could be read."""

    last: Policy | None = None
    lines: list[Line] = field(default_factory=list)
    """What that one gives."""
    known: dict[str, Policy] = field(default_factory=dict)
    """Every policy of the period, by digest, the newest last."""
    wrong: dict[str, str] = field(default_factory=dict)
    """Digest -> why what it gave is not known."""
    groups: int = 0
    """Rows of the table."""


def ask(found: Gathering, texts: dict[str, str], spool: Spool) -> Reach:
    """Asks, and fills the tables ``reach`` and ``policies``. ``texts``: the policies that are kept, by digest."""
    reach = Reach()
    hosts = [host for machine in found.estate.machines.values() for host in machine.as_policy_sees()]
    said: dict[Line, list[str]] = defaultdict(list)
    for stretch in found.estate.stretches:
        _load(reach, stretch.digest, texts)
        rules = None
        if stretch.digest in reach.known:
            policy = reach.known[stretch.digest]
            rules = len(policy.denies) + len(policy.named)
            reach.last = policy
            reach.lines = answers.of(policy, found.people.claims, found.state.own_names, hosts, stretch.start)
            for line in reach.lines:
                if stretch.digest not in said[line]:
                    said[line].append(stretch.digest)
        elif stretch.end is None:
            reach.last, reach.lines = None, []
        row = (stretch.start, stretch.end, stretch.digest, rules, reach.wrong.get(stretch.digest, "kept"))
        spool.add("policies", row, place=stretch.start)
    for line, digests in said.items():
        _row(found, reach, spool, line, digests)
    reach.groups = len(said)
    return reach


def _load(reach: Reach, digest: str, texts: dict[str, str]) -> None:
    if digest in reach.wrong:
        return
    known = reach.known.pop(digest, None)
    if known is None:
        if digest not in texts:
            reach.wrong[digest] = "gone: what it gave is not known"
            return
        try:
            known = policies.load(texts[digest])
        except PolicyError:
            reach.wrong[digest] = "cannot be read: what it gave is not known"
            return
        if known.digest != digest:
            reach.wrong[digest] = "another text stands in its place: what it gave is not known"
            return
    reach.known[digest] = known


def _row(found: Gathering, reach: Reach, spool: Spool, line: Line, digests: list[str]) -> None:
    terms, machines = line.terms, found.estate.machines
    people = sorted(found.people.who(subject) for subject in line.people)
    hosts = sorted({machines[each].name for each in line.hosts})
    order = _order(reach, terms.rule)
    row = (
        tuple(people),
        len(people),
        tuple(hosts),
        len(line.hosts),
        tuple(sorted(line.labels)),
        line.logins,
        line.actions,
        terms.rule,
        terms.kind,
        terms.approvals,
        terms.requirements,
        terms.hours,
        terms.window,
        terms.until,
        tuple(digest[:16] for digest in digests),
        _held(found.estate.stretches, digests),
    )
    spool.add("reach", row, place=f"{order:06d} {terms.rule} {' '.join(hosts[:1])} {' '.join(people[:1])}")


def _order(reach: Reach, rule: str) -> int:
    """Where a rule stands in the last policy; after all others if it is not there any more."""
    names = list(reach.last.named) if reach.last is not None else []
    return names.index(rule) if rule in names else len(names)


def _held(stretches: list[Stretch], digests: list[str]) -> str:
    """When policies of these digests were in force: ``throughout``, or ``since …``, ``until …``, ``… to …``."""
    if all(stretch.digest in digests for stretch in stretches):
        return "throughout"
    spans: list[list[int | None]] = []
    for stretch in stretches:
        if stretch.digest not in digests:
            continue
        if spans and spans[-1][1] == stretch.start:
            spans[-1][1] = stretch.end
        else:
            spans.append([stretch.start, stretch.end])
    from_the_first = stretches[0].digest in digests
    return ", ".join(
        _span(None if from_the_first and number == 0 else start, end) for number, (start, end) in enumerate(spans)
    )


def _span(start: int | None, end: int | None) -> str:
    began, over = (
        None if time is None else f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M}" for time in (start, end)
    )
    if began is None:
        return f"until {over}"
    return f"since {began}" if over is None else f"{began} to {over}"
