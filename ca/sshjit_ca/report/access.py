"""Who could reach what: every policy of the period, asked about everybody and every host of the period.

A policy is asked when it comes into force, and again after each date of the period on which a role ends or its weeks
begin to look otherwise, also by a clock change, because what an earlier rule took may then come under a later one.
Lines on which several policies or times agree become one row. What the last policy gives is kept, to find what nobody
used.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sshjit import policy as policies
from sshjit.policy import Policy, PolicyError
from sshjit.policy.analysis import YEAR, changing_dates, weeks_of_clock_changes
from sshjit_ca.report.access_lines import Line, access_lines
from sshjit_ca.report.changes import PolicyInForce
from sshjit_ca.report.gathering import Gathering
from sshjit_ca.report.spool import Spool


@dataclass(slots=True)
class PolicyAccess:
    """What the policies of the period gave. ``last`` was in force when it ended, if its text could be read."""

    last: Policy | None = None
    lines: list[Line] = field(default_factory=list)
    """What the last policy gives."""
    known: dict[str, Policy] = field(default_factory=dict)
    """Every policy of the period, by digest, the newest last."""
    unreadable: dict[str, str] = field(default_factory=dict)
    """Digest -> why it is not known what that policy gave."""
    groups: int = 0
    """Rows of the table."""


def fill_access(gathered: Gathering, texts: dict[str, str], spool: Spool) -> PolicyAccess:
    """Fills the tables ``reach`` and ``policies``. ``texts`` are the stored policies, by digest."""
    access = PolicyAccess()
    rotas, owners = gathered.changes.rotas, gathered.state.own_names
    people = {
        subject: list(dict.fromkeys(each for claims in several for each in claims.with_turns(rotas)))
        for subject, several in gathered.people.claims.items()
    }
    records = gathered.changes.hosts
    hosts = [host for record in records.values() for host in record.as_policy_sees(records)]
    stages: list[PolicyInForce] = []
    stages_of: dict[Line, list[int]] = defaultdict(list)
    for in_force in gathered.changes.policies:
        digest = in_force.digest
        _load(access, digest, texts)
        rules = None
        if digest in access.known:
            policy = access.known[digest]
            rules = len(policy.denies) + len(policy.named)
            access.last = policy
            for stage in _stages(policy, in_force, gathered.period.until):
                access.lines = access_lines(policy, people, owners, hosts, stage.start)
                for line in access.lines:
                    stages_of[line].append(len(stages))
                stages.append(stage)
        else:
            stages.append(in_force)
            if in_force.end is None:
                access.last, access.lines = None, []
        sentences = _sentences(in_force, access.known.get(digest))
        row = (in_force.start, in_force.end, digest, rules, sentences, access.unreadable.get(digest, "kept"))
        spool.add("policies", row, place=in_force.start)
    for line, numbers in stages_of.items():
        digests = tuple(dict.fromkeys(stages[number].digest[:16] for number in numbers))
        _add_row(gathered, access, spool, line, (digests, _time_in_force(stages, numbers)))
    access.groups = len(stages_of)
    return access


def _sentences(in_force: PolicyInForce, policy: Policy | None) -> tuple[str, ...]:
    """What was found of each ``[[never]]`` when the policy was put in force, by the log; when, and up to when."""
    if in_force.decided is None:
        return tuple(f"{never.name}: not decided" for never in policy.nevers) if policy is not None else ()
    when = _minute(in_force.loaded)
    return tuple(f"{each.name}: {each.answer} {when}, up to {_minute(each.until)}" for each in in_force.decided)


def _minute(time: int) -> str:
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M}"


def _stages(policy: Policy, in_force: PolicyInForce, until: int) -> list[PolicyInForce]:
    """The time in which a policy was in force, cut where a source of a role ends and where dates change its weeks."""
    over = until if in_force.end is None else in_force.end
    dates = {date for date in changing_dates([policy]) if in_force.start < date < over}
    years = range(in_force.start, max(over, in_force.start + 1), YEAR)  # in each of them the clocks are set otherwise
    weeks = weeks_of_clock_changes([policy], {*dates, *years}, over)
    cuts = sorted(cut for cut in dates | weeks if in_force.start < cut < over)
    begins, closes = [in_force.start, *cuts], [*cuts, in_force.end]
    return [PolicyInForce(in_force.digest, begin, end) for begin, end in zip(begins, closes, strict=True)]


def _load(access: PolicyAccess, digest: str, texts: dict[str, str]) -> None:
    if digest in access.unreadable:
        return
    policy = access.known.pop(digest, None)
    if policy is None:
        if digest not in texts:
            access.unreadable[digest] = "gone: what it gave is not known"
            return
        try:
            policy = policies.load(texts[digest])
        except PolicyError:
            access.unreadable[digest] = "cannot be read: what it gave is not known"
            return
        if policy.digest != digest:
            access.unreadable[digest] = "another text is stored under its digest: what it gave is not known"
            return
    access.known[digest] = policy


def _add_row(
    gathered: Gathering, access: PolicyAccess, spool: Spool, line: Line, given: tuple[tuple[str, ...], str]
) -> None:
    """``given``: by which policies, and when."""
    terms, records = line.terms, gathered.changes.hosts
    people = sorted(gathered.people.who(subject) for subject in line.people)
    hosts = sorted({records[host_id].name for host_id in line.hosts})
    order = _order(access, terms.rule)
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
        *given,
    )
    spool.add("reach", row, place=f"{order:06d} {terms.rule} {' '.join(hosts[:1])} {' '.join(people[:1])}")


def _order(access: PolicyAccess, rule: str) -> int:
    """The position of a rule in the last policy; after all others if it is not in it any more."""
    names = list(access.last.named) if access.last is not None else []
    return names.index(rule) if rule in names else len(names)


def _time_in_force(stages: list[PolicyInForce], numbers: list[int]) -> str:
    """When these of the stages were: ``throughout``, or ``since …``, ``until …``, ``… to …``."""
    if len(numbers) == len(stages):
        return "throughout"
    spans: list[list[int | None]] = []
    for stage in (stages[number] for number in numbers):
        if spans and spans[-1][1] == stage.start:
            spans[-1][1] = stage.end
        else:
            spans.append([stage.start, stage.end])
    from_the_first = numbers[0] == 0
    return ", ".join(
        _span(None if from_the_first and number == 0 else start, end) for number, (start, end) in enumerate(spans)
    )


def _span(start: int | None, end: int | None) -> str:
    since, until = (None if time is None else _minute(time) for time in (start, end))
    if since is None:
        return f"until {until}"
    return f"since {since}" if until is None else f"{since} to {until}"
