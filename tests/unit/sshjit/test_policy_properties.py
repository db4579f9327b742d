"""What holds for every policy, person, host and ask: above all that the index and the plain reading agree."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from sshjit.policy import (
    ASSUMED,
    Allow,
    Ask,
    Bastion,
    Count,
    Denied,
    Facts,
    Host,
    NeedsApproval,
    Policy,
    Subject,
    TicketAnswer,
    Turn,
    Used,
    ends_by,
    evaluate,
    explain,
    load,
    roles_of,
)
from sshjit.policy.types import FOREVER
from tests.unit.sshjit.policy_world import at

HEAD = """\
version = 1
[labels]
env = { values = ["prod", "staging"] }
role = {}
[roles]
a = ["acme/group:A", { from = "acme/group:Passing", until = 2026-03-05 }]
b = ["acme/group:B", "acme/email:b@example.com"]
c = ["partner/group:A", { from = "jobs/workload", claims = { ref = "main" } }]
d = ["rota:first", "acme/group:D"]
e = [{ from = "jobs/workload", claims = { ref = "main", project = "x" }, until = 2026-03-05 }]
[rotas.first]
lifetime = "7d"
[tickets.jira]
expect.open = true
[actions.run]
command = "/bin/run"
[calendars]
holidays = [2026-03-05, { from = 2026-03-07, until = 2026-03-08 }]
[owners.team]
label = "role"
roles = { db = "a", web = "b" }
"""
TICKET = 'reason = { pattern = "[0-9]" }\nticket = "jira"\n'


def subset(*values: str) -> st.SearchStrategy[str]:
    """A non-empty list, as TOML."""
    return st.lists(st.sampled_from(values), min_size=1, unique=True).map(json.dumps)


def lines(
    required: dict[str, st.SearchStrategy[str]], optional: dict[str, st.SearchStrategy[str]]
) -> st.SearchStrategy[str]:
    """A table's keys, as TOML."""
    return st.fixed_dictionaries(required, optional=optional).map(
        lambda chosen: "".join(f"{key} = {value}\n" for key, value in chosen.items() if not _named_twice(chosen, key))
    )


def _named_twice(chosen: dict[str, str], key: str) -> bool:
    """Whether roles are among those that a rule is for and among those that it leaves out, which is an error."""
    wanted, left_out = (set(json.loads(chosen.get(each, "[]"))) for each in ("roles", "not_roles"))
    return key == "not_roles" and bool(wanted & left_out)


by_rota = subset("a", "b", "c", "d", "@team")
roles, logins = subset("a", "b", "c", "e", "@team"), subset("root", "deploy", "@own", "alice")
actions = subset("shell", "run", "command")
hosts = st.one_of(
    subset("prod", "staging").map(lambda values: f"{{ env = {values} }}"),
    subset("db", "web").map(lambda values: f"{{ role = {values} }}"),
    st.sampled_from(['{ env = "prod", role = "db" }', '{ env = "staging", role = ["web", "db"] }']),
    st.sampled_from(
        ['{ env = { not = "prod" } }', '[{ env = "prod" }, { role = "db" }, { role = "web", env = "staging" }]']
    ),
)
times = st.sampled_from(
    [
        "",
        'days = ["sat", "sun"]\nzone = "Europe/Berlin"\n',
        'hours = "20:00-08:00"\nzone = "Europe/Berlin"\n',
        'days = ["fri", "holidays"]\nhours = "20:00-08:00"\nzone = "Europe/Berlin"\n',
        'not_days = ["holidays", "wed"]\nzone = "Europe/Berlin"\n',
        'from = 2026-03-05\nuntil = 2026-03-06\nzone = "Asia/Tokyo"\n',
    ]
)
flags = st.sampled_from(["true", "false"])
spared = {"roles": roles, "not_roles": by_rota}
networks = st.sampled_from(['["192.0.2.0/24"]', '["10.0.0.0/8", "2001:db8::/32"]'])
deny = st.tuples(
    lines({"logins": logins}, {**spared, "hosts": hosts, "actions": actions, "unless_break_glass": flags})
    | lines({"hosts": hosts}, {**spared, "actions": actions, "unless_break_glass": flags}),
    times,
    st.just("") | networks.map("networks = {}\n".format) | networks.map("not_networks = {}\n".format),
).map("".join)
requirements = {
    "reason": st.just('{ pattern = "[0-9]" }'),
    "mfa": flags,
    "hardware_key": flags,
    "fresh_login": st.just('"15m"'),
    "max_hosts": st.just("1"),
    "source": st.just('"client"'),
    "not_roles": roles,
    "networks": networks,
    "limits": st.sampled_from(
        ["{ person = { open = 1 } }", "{ person = { week = 2 }, rule = { open = 2, week = 3 } }"]
    ),
}
granting = {
    "roles": by_rota,
    "hosts": hosts,
    "logins": logins,
    "grant": st.just('"8h"'),
    "certificate": st.just('"5m"'),
}
tickets = st.sampled_from(["", "", TICKET, TICKET + 'ticket_down = "allow"\n'])
steps = st.sampled_from(
    [
        *("[]", '[{ from = "c", count = 1 }]', '[{ from = "@team", count = 1, not_own = "team" }]'),
        '[{ from = "c", count = 1, escalate = { to = "@team", after = "5m" } }]',
        '[{ from = "c", count = 1 }, { from = "c", count = 1, signed = true }]',
        '[{ from = "c", count = 1, signed = "passkey" }, { from = "c", count = 1, signed = "device-bound-passkey" }]',
    ]
)
allow = st.tuples(
    lines({**granting, "approvals": steps}, {**requirements, "actions": actions}), times, st.just("")
).map("".join) | st.tuples(lines({**granting, "approvals": steps}, {"mfa": flags}), times, tickets).map("".join)
break_glass = st.tuples(lines({**granting, "review_within": st.just('"1d"')}, {"actions": actions}), times).map("".join)


@st.composite
def policy_texts(draw: st.DrawFn) -> str:
    """Any policy over the labels, roles and actions of ``HEAD``."""
    text = HEAD
    for kind, rule in (("deny", deny), ("allow", allow), ("break_glass", break_glass)):
        for number, body in enumerate(draw(st.lists(rule, max_size=5 if kind == "allow" else 2))):
            text += f'[[{kind}]]\nname = "{kind}-{number}"\n{body}'
    return text


def policies() -> st.SearchStrategy[Policy]:
    """The same, read."""
    return policy_texts().map(load)


NOW = at("2026-03-04 12:00")
moments = st.integers(NOW - 86400, NOW + 5 * 86400)
people = st.builds(
    Subject,
    st.just("sub-1"),
    st.sampled_from(["acme", "partner"]),
    st.frozensets(st.sampled_from(["A", "B", "Passing", "b@example.com"])),
    st.frozensets(st.sampled_from(["b@example.com", "x@example.com"])),
    st.sampled_from([None, "alice", "root", "deploy"]),
    st.sampled_from([None, NOW]),
    st.booleans(),
    st.booleans(),
    own_listed=st.booleans(),
    on_call=st.sampled_from(
        [(), (Turn("first", NOW - 7200, NOW + 7200),), (Turn("first", NOW + 3600, NOW + 86400), Turn("other", 0, NOW))]
    ),
)
workloads = st.builds(
    Subject,
    st.just("sub-1"),
    st.sampled_from(["acme", "jobs"]),
    st.just(frozenset[str]()),
    st.just(frozenset[str]()),
    claims=st.frozensets(st.sampled_from(["ref=main", "ref=topic", "project=x"])),
)
subjects = people | workloads


def always_on_call(who: Subject) -> Subject:
    """Somebody whom the rotas that name them ever name all the time, as analyses over time look at people."""
    return replace(who, on_call=tuple(Turn(turn.rota, 0, FOREVER) for turn in who.on_call))


labels = st.fixed_dictionaries(
    {}, optional={"env": st.sampled_from(["prod", "staging"]), "role": st.sampled_from(["db", "web", "none"])}
).map(lambda found: tuple(sorted((label, value) for label, value in found.items() if value is not None)))
bastions = st.builds(
    Bastion, st.builds(Host, st.just("gate"), st.just("gate"), labels), st.sampled_from(["jump", "root", "alice"])
)
inventories = st.tuples(st.lists(labels, min_size=1, max_size=3), st.none() | bastions).map(
    lambda found: [Host(f"h{number}", f"h{number}", each, found[1]) for number, each in enumerate(found[0])]
)
asks = st.builds(
    Ask,
    st.sampled_from([None, "root", "deploy", "alice"]),
    st.sampled_from(["shell", "run"]),
    st.none(),
    st.sampled_from([None, 60, 90000]),
    st.sampled_from(["", "number 1"]),
    st.sampled_from([None, "192.0.2.1", "::ffff:10.1.2.3", "2001:db8::1", "not an address"]),
    st.booleans(),
    ticket=st.sampled_from(
        [
            None,
            ASSUMED,
            TicketAnswer("jira", "1", "answered", (("open", "true"),)),
            TicketAnswer("jira", "1", "answered", (("open", '"true"'),)),
            TicketAnswer("jira", "2", "answered", (("open", "true"),)),
            TicketAnswer("jira", "1", "missing"),
            TicketAnswer("jira", "1", "down", (), "it is slow"),
        ]
    ),
) | st.builds(Ask, st.sampled_from([None, "root"]), st.just("command"), st.just("ls"), reason=st.just("number 12"))


counts = st.builds(Count, st.integers(0, 3), st.integers(0, 3))
facts = st.builds(Facts, st.dictionaries(st.sampled_from(["allow-0", "allow-1"]), st.builds(Used, counts, counts)))


@settings(max_examples=300, deadline=None)
@given(policies(), subjects, inventories, st.tuples(asks, facts), moments)
def test_explain_says_what_evaluate_decides(
    policy: Policy, who: Subject, where: list[Host], asked: tuple[Ask, Facts], now: int
) -> None:
    ask, known = asked
    outcome = evaluate(policy, who, where, ask, now, facts=known)
    explanation = explain(policy, who, where, ask, now, facts=known)
    assert explanation.outcome == outcome
    none = ask.break_glass and who.claims is not None  # no role counts for a workload in an emergency
    assert set(explanation.roles) == (set() if none else roles_of(policy, who, now))
    assert len(explanation.rules) == len(policy.denies) + len(policy.allows) + len(policy.break_glass)
    for report in explanation.rules:
        bastion = report.kind == "deny" and where[0].bastion is not None
        assert bool(report.misses) == (len(report.hosts) < len(where) + bastion)
    deciding = [report.name for report in explanation.rules if report.decides]
    match outcome:
        case Allow(terms) | NeedsApproval(terms, _):
            assert deciding == [terms.rule]
        case Denied(code=("no_rule" | "different_rules")):
            assert deciding == []
        case _:
            assert deciding == [outcome.rule]


@settings(max_examples=300, deadline=None)
@given(policies(), subjects, inventories, asks, moments)
def test_a_bastion_can_only_take_away(policy: Policy, who: Subject, where: list[Host], ask: Ask, now: int) -> None:
    outcome, direct = (
        evaluate(policy, who, hosts, ask, now) for hosts in (where, [replace(each, bastion=None) for each in where])
    )
    if isinstance(outcome, Allow | NeedsApproval):
        assert isinstance(direct, Allow | NeedsApproval)
        assert (outcome.terms.rule, outcome.terms.login) == (direct.terms.rule, direct.terms.login)
        assert (outcome.terms.ends_by or now) <= (direct.terms.ends_by or 2**62)
    if isinstance(direct, Denied):
        assert isinstance(outcome, Denied)


@settings(max_examples=200, deadline=None)
@given(policies(), subjects, inventories, asks, moments)
def test_what_is_allowed_keeps_its_bounds(policy: Policy, who: Subject, where: list[Host], ask: Ask, now: int) -> None:
    outcome = evaluate(policy, who, where, ask, now)
    if isinstance(outcome, Allow | NeedsApproval):
        terms = outcome.terms
        assert 0 < terms.certificate <= terms.grant
        assert 0 < terms.duration <= terms.grant
        assert terms.capped == (ask.duration is not None and ask.duration > terms.duration)
        assert ask.login in (None, terms.login)
        assert (terms.command is None) == (terms.action == "shell")
        asked = {"login": terms.login, "action": terms.action, "break_glass": ask.break_glass, "address": ask.address}
        assert ends_by(policy, who, where, now=now, **asked) == terms.ends_by  # type: ignore[arg-type]
        if terms.ends_by is not None:
            assert now < terms.ends_by
            last = evaluate(policy, who, where, replace(ask, login=terms.login), terms.ends_by - 1)
            assert not isinstance(last, Denied) or last.code != "denied_by_rule", "no deny begins before the end"
    else:
        assert outcome.message


@settings(max_examples=200, deadline=None)
@given(policies(), subjects, inventories, asks, moments)
def test_one_more_host_never_turns_a_refusal_into_access(
    policy: Policy, who: Subject, where: list[Host], ask: Ask, now: int
) -> None:
    before = evaluate(policy, who, where[1:] or where, ask, now)
    after = evaluate(policy, who, where, ask, now)
    if isinstance(before, Denied):
        assert isinstance(after, Denied)


@settings(deadline=None)
@given(policies(), inventories, asks, moments)
def test_who_holds_no_role_gets_nothing(policy: Policy, where: list[Host], ask: Ask, now: int) -> None:
    nobody = Subject("sub-2", "elsewhere", frozenset({"A", "B"}), frozenset({"b@example.com"}), unix_name="alice")
    assert isinstance(evaluate(policy, nobody, where, ask, now), Denied)
