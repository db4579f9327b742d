"""``[[never]]``: what is proved of a policy agrees with trying everybody, everywhere, at every edge of time."""

from __future__ import annotations

import ipaddress
import itertools
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pytest

from sshjit.policy import (
    ASSUMED,
    Allow,
    Ask,
    Denied,
    Host,
    NeedsApproval,
    Policy,
    Subject,
    Turn,
    evaluate,
    explain,
    load,
)
from sshjit.policy.model import AllowRule, DenyRule, Matchers, Never
from sshjit.policy.proof import Counterexample, Undecided, is_over, prove
from sshjit.policy.query import usable_unix_name
from sshjit.policy.roles import denied_roles, role_ends
from sshjit.policy.types import FOREVER
from sshjit_client.policy import proof_text
from tests.unit.sshjit.policy_texts import ALLOW, BREAK_GLASS, HEAD, problems
from tests.unit.sshjit.policy_world import at

START = at("2026-03-04 12:00")
ROUNDS = 2000

# ------------------------------------------------------------------------------------------- random policies in TOML

WORLD = """\
version = 1
[labels]
env = { values = ["prod", "staging"], required = true }
role = {}
[roles]
a = ["acme/group:A", { from = "acme/group:Passing", until = 2026-03-05 }, { from = "j/workload", claims.ref = "main" }]
b = [{ from = "j/workload", claims = { ref = "main", project = "x" } }, "acme/group:B", "acme/email:b@example.com"]
c = [{ from = "j/workload", claims.ref = "topic" }, "partner/group:A", { from = "acme/group:C", until = 2026-03-06 }]
d = ["rota:first", { from = "acme/group:D", until = 2026-03-06 }]
e = [{ from = "j/workload", claims = { project = "x" }, until = 2026-03-06 }]
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
[terms.strict]
approvals = [{ from = "b", count = 1 }]
mfa = true
grant = "1h"
certificate = "5m"
"""
HOSTS = ['{ env = "prod" }', '{ env = "staging" }', '{ role = "db" }', '{ role = ["web", "db"] }']
HOSTS += ['{ env = "prod", role = "db" }', '{ env = { not = "prod" } }', '[{ env = "prod" }, { role = "web" }]']
TIMES = ["", "", 'days = ["sat", "sun"]\nzone = "Europe/Berlin"\n', 'hours = "20:00-08:00"\nzone = "Europe/Berlin"\n']
TIMES += ['days = ["fri", "holidays"]\nhours = "20:00-08:00"\nzone = "Europe/Berlin"\n']
TIMES += ['not_days = ["holidays", "wed"]\nzone = "Europe/Berlin"\n']
TIMES += ['from = 2026-03-05\nuntil = 2026-03-06\nzone = "Asia/Tokyo"\n']
TIMES += ['hours = "19:00-07:00"\nzone = "UTC"\n']  # as the hours in Berlin, until the clocks change there
NETWORKS = ['["10.0.0.0/8"]', '["192.0.2.0/24", "2001:db8::/32"]', '["10.1.0.0/16"]']
NONE = frozenset[str]()
ADDRESSES = ("10.1.2.3", "10.9.9.9", "192.0.2.1", "2001:db8::1", "203.0.113.9")
LOGINS = ["root", "deploy", "@own", "alice"]
TICKET = 'reason = { pattern = "[A-Z]+-[0-9]+" }\nticket = "jira"\n'
PLAIN = 'grant = "1h"\ncertificate = "5m"\n'
APPROVALS = [
    "approvals = []\n",
    'approvals = [{ from = "@team", count = 1 }]\n',
    'approvals = [{ from = "c", count = 1, not_own = "team", escalate = { to = "@team", after = "20m" } }]\n',
    'approvals = [{ from = "a", count = 1 }, { from = "a", count = 1, signed = true }]\n',
]
LIMITS = ["", "", "limits = { person = { open = 1, week = 3 }, rule = { open = 2 } }\n"]
WHO = ("a", "b", "c", "e", "@team")
OWNED = {"db": "a", "web": "b"}


def some(chance: random.Random, values: Sequence[str]) -> str:
    return str(chance.sample(values, chance.randint(1, len(values)))).replace("'", '"')


def rule_text(chance: random.Random, kind: str, number: int) -> str:
    grants = kind != "deny"
    by_rota = (*WHO, "d")  # by a rota nobody is denied anything
    roles = chance.sample(by_rota if grants else WHO, chance.randint(1, 2))
    others = [role for role in (WHO if grants else by_rota) if role not in roles]
    lines = [f"[[{kind}]]", f'name = "{kind.replace("_", "-")}-{number}"']
    if grants or chance.random() < 0.3:
        lines.append(f"roles = {some(chance, roles)}")
    if chance.random() < 0.4:
        lines.append(f"not_roles = {some(chance, others)}")
    anywhere = not grants and chance.random() < 0.2
    if not anywhere:
        lines.append(f"hosts = {chance.choice(HOSTS)}")
    if grants or anywhere or chance.random() < 0.3:
        lines.append(f"logins = {some(chance, LOGINS)}")
    if chance.random() < 0.3:
        lines.append(f"actions = {some(chance, ['shell', 'run'])}")
    text = "\n".join(lines) + "\n" + chance.choice(TIMES)
    networks = chance.choice(NETWORKS)
    if kind == "deny":
        text += f"{chance.choice(['networks', 'not_networks'])} = {networks}\n" if chance.random() < 0.3 else ""
        return text + ("" if chance.random() < 0.5 else "unless_break_glass = true\n")
    text += f"networks = {networks}\n" if chance.random() < 0.2 else ""
    text += chance.choice(["", "", "", 'fresh_login = "15m"\n', "hardware_key = true\n"])
    text += chance.choice(["", "", "", TICKET, TICKET + 'ticket_down = "allow"\n'])
    if kind == "break_glass":
        return f'{text}{chance.choice(LIMITS)}{PLAIN}review_within = "1d"\n'
    plain = PLAIN + chance.choice(APPROVALS) + chance.choice(LIMITS)
    return text + chance.choice([plain, 'terms = "strict"\n', plain + "mfa = true\n", 'terms = "strict"\n'])


def never_text(chance: random.Random) -> str:
    lines = ["[[never]]", "within = 2026-03-09"]
    lines += [f"hosts = {chance.choice(HOSTS)}"] if chance.random() < 0.8 else []
    lines += [f'login = "{chance.choice(LOGINS)}"'] if chance.random() < 0.7 else []
    lines += [f'action = "{chance.choice(["shell", "run"])}"'] if chance.random() < 0.7 else []
    lines += [f"break_glass = {chance.choice(['true', 'false', 'false'])}"] if chance.random() < 0.8 else []
    lines += [f'unless_role = "{chance.choice("abcde")}"'] if chance.random() < 0.5 else []
    lines += [f"without = {some(chance, ['approval', 'mfa', 'ticket'])}"] if chance.random() < 0.5 else []
    return "\n".join(lines) + "\n"


def policy_text(seed: int) -> str:
    """Of every second seed 21 days later: the same weekdays, and on the 29th the clocks change in Berlin."""
    chance = random.Random(seed)  # noqa: S311 - the same policies each time
    text = WORLD + never_text(chance)
    for kind, most in (("deny", 3), ("allow", 5), ("break_glass", 1)):
        text += "".join(rule_text(chance, kind, number) for number in range(chance.randint(0, most)))
    return re.sub(r"2026-03-(\d\d)", lambda day: f"2026-03-{int(day[1]) + later(seed):02d}", text)


def later(seed: int) -> int:
    """How many days later than its texts say the policy of a seed is looked at."""
    return 21 * (seed % 2)


# ----------------------------------------------------------------------------------------------- everything is tried


@dataclass(frozen=True)
class Somebody:
    """A person in the small world, at one of the moments."""

    roles: frozenset[str]
    denied: frozenset[str]
    own: str | None
    workload: bool


KINDS = [
    tuple((label, value) for label, value in (("env", env), ("role", role)) if value)
    for env in ("prod", "staging")
    for role in ("db", "web", "none", "")
]
DAYS = range(4, 10)
HOURS = [f"{hour:02d}:{minute:02d}" for hour in (0, 1, 8, 9, 16, 20, 21) for minute in (0, 30)]
STARTS = {0: START, 21: at("2026-03-25 12:00")}
ENDS = {0: at("2026-03-10 01:00"), 21: at("2026-03-31 02:00")}
"""Midnight of UTC."""


def moments(days: int) -> list[int]:
    """Some within every stretch that these policies can have: their edges are full hours of Berlin's clocks."""
    every = {STARTS[days], *(at(f"2026-03-{day + days:02d} {hour}") for day in DAYS for hour in HOURS)}
    return sorted(moment for moment in every if STARTS[days] <= moment < ENDS[days])


MOMENTS = {days: moments(days) for days in STARTS}


def subjects() -> Iterator[Subject]:
    """Everybody: each source held, had by another sign-in, or neither; with each own name that matters."""
    for own in (None, "alice", "deploy", "zed"):
        for turns in ((), (Turn("first", 0, FOREVER),)):
            for ways in itertools.product(range(3), range(3), *[range(1 if turns else 3)] * 2):
                held = {name for name, way in zip(("A", "B", "C", "Passing"), ways, strict=True) if way == 1}
                had = {name for name, way in zip(("A", "B", "C", "Passing"), ways, strict=True) if way == 2}
                groups, others = frozenset(held), frozenset(had)
                yield Subject("x", "acme", groups, NONE, own, denied_groups=others, own_listed=True, on_call=turns)
            yield Subject("x", "acme", frozenset({"D"}), NONE, own, own_listed=True, on_call=turns)
            for groups in (NONE, frozenset({"A"})):
                yield Subject("x", "partner", groups, NONE, own, own_listed=True, on_call=turns)


def workloads() -> Iterator[Subject]:
    """Every workload: one value, or none, of each claim that a source names."""
    for ref, project in itertools.product(("ref=main", "ref=topic", ""), ("project=x", "")):
        yield Subject("x", "j", NONE, NONE, claims=frozenset({ref, project} - {""}))


PEOPLE = [*subjects(), *workloads()]


def everybody(policy: Policy, moment: int) -> set[Somebody]:
    return {
        Somebody(
            frozenset(role_ends(policy, who, moment)),
            denied_roles(policy, who),
            usable_unix_name(policy, who),
            who.claims is not None,
        )
        for who in PEOPLE
    }


def on_host(match: Matchers, labels: dict[str, str], *, deny: bool) -> bool:
    return match.hosts is None or any(
        all((labels[label] in values) if label in labels else deny for label, values in alternative)
        for alternative in match.hosts
    )


def for_person(match: Matchers, who: Somebody, login: str, labels: dict[str, str], *, deny: bool) -> bool:
    owner = OWNED.get(labels.get("role", ""))
    held = who.roles | ({"@team"} if owner in who.roles else set())
    had = who.denied | ({"@team"} if owner is None or owner in who.denied else set())
    wanted, left_out = (had, held) if deny else (held, had)
    if match.roles is not None and not wanted & set(match.roles):
        return False
    if left_out & set(match.not_roles):
        return False
    return match.logins is None or login in match.logins or ("@own" in match.logins and login == who.own)


def from_there(networks: Sequence[str], address: str) -> bool:
    return not networks or any(ipaddress.ip_address(address) in ipaddress.ip_network(each) for each in networks)


def denied_there(match: Matchers, address: str) -> bool:
    return match.networks is None or from_there(match.networks.cidrs, address) != match.networks.but


def lacks(rule: AllowRule, never: Never) -> bool:
    ticket = rule.ticket is not None and not rule.ticket_down_allows
    has = {"approval": rule.approvals, "mfa": rule.mfa, "ticket": ticket}
    return not never.without or any(not has[each] for each in never.without)


def broken(policy: Policy, never: Never, moments: Sequence[int]) -> bool:
    """Whether anybody gets it, by trying everything; moments at which the same rules and roles count are tried once."""
    logins = ("root", "deploy", "alice", "zed")
    ends = {source.ends for sources in policy.roles.values() for source in sources if source.ends is not None}
    people_of: dict[frozenset[int], list[Somebody]] = {}
    done = set[object]()
    for moment in moments:
        over = frozenset(end for end in ends if end <= moment)
        if over not in people_of:
            people = (who for who in everybody(policy, moment) if who.roles)
            people_of[over] = [who for who in people if not who.roles & set(never.unless_roles)]
        for glass in (False, True):
            if never.break_glass not in (None, glass):
                continue
            rules = [each for each in (policy.break_glass if glass else policy.allows) if open_(each, moment)]
            denies = [each for each in policy.denies if open_(each, moment) and not (glass and each.unless_break_glass)]
            situation = (over, glass, *(each.name for each in rules), *(each.name for each in denies))
            if situation not in done and rules and tried(never, rules, denies, people_of[over], logins):
                return True
            done.add(situation)
    return False


def open_(rule: AllowRule | DenyRule, moment: int) -> bool:
    return rule.match.schedule is None or rule.match.schedule.matches(moment)


def tried(
    never: Never, rules: list[AllowRule], denies: list[DenyRule], people: list[Somebody], logins: Sequence[str]
) -> bool:
    wanted = Matchers(None, never.hosts, None, None, None)
    for kind, action in itertools.product(KINDS, ("shell", "run", "command")):
        labels = dict(kind)
        if (never.actions and action not in never.actions) or not on_host(wanted, labels, deny=False):
            continue
        here = [
            each for each in rules if on_host(each.match, labels, deny=False) and action in (each.match.actions or ())
        ]
        against = [
            each
            for each in denies
            if on_host(each.match, labels, deny=True) and (each.match.actions is None or action in each.match.actions)
        ]
        if not any(lacks(each, never) for each in here):
            continue
        for who, login, address in itertools.product(people, logins, ADDRESSES):
            if never.logins and login not in never.logins and not ("@own" in never.logins and login == who.own):
                continue
            rule = next((each for each in here if for_person(each.match, who, login, labels, deny=False)), None)
            if rule is None or not lacks(rule, never) or not from_there(rule.networks, address):
                continue
            if who.workload and (rule.break_glass or rule.mfa or rule.hardware_key or rule.fresh_login is not None):
                continue  # for people alone
            if labels.get("role") not in OWNED and any("@team" in (each.role, each.instead) for each in rule.approvals):
                continue  # nobody could say who has to approve
            there = [each for each in against if denied_there(each.match, address)]
            if not any(for_person(each.match, who, login, labels, deny=True) for each in there):
                return True
    return False


@pytest.mark.parametrize("part", range(8))
def test_what_is_proved_is_what_trying_everything_finds(part: int) -> None:
    """In 2,000 random policies; and every counterexample is what ``evaluate`` and ``explain`` say."""
    answers, by_workload = {True: 0, False: 0}, 0
    for seed in range(part * ROUNDS // 8, (part + 1) * ROUNDS // 8):
        text = policy_text(seed)
        policy = load(text)
        (never,) = policy.nevers
        found = prove(policy, policy.nevers, STARTS[later(seed)])
        answers[bool(found)] += 1
        assert bool(found) == broken(policy, never, MOMENTS[later(seed)]), f"seed {seed}\n{text}\n{found}"
        for each in found:
            assert isinstance(each, Counterexample)
            confirm(policy, each)
            by_workload += each.subject.claims is not None
    assert min(answers.values()) > ROUNDS / 8 / 10, answers
    assert by_workload, "some are broken by workloads"


def confirm(policy: Policy, example: Counterexample) -> None:
    """Asks just that, at the beginning and at the end of the time that is named, and as the command prints it."""
    command = "id" if example.action == "command" else None
    there = example.address or "203.0.113.9"
    reason = "CHG-7 the site is down"
    ask = Ask(example.login, example.action, command, reason=reason, address=there, break_glass=example.break_glass)
    ask = replace(ask, ticket=ASSUMED)
    for now in (example.begin, example.end - 1):
        subject = replace(example.subject, auth_time=now if example.subject.claims is None else None)
        outcome = evaluate(policy, subject, [example.host], ask, now)
        explained = explain(policy, subject, [example.host], ask, now)
        assert not isinstance(outcome, Denied), outcome
        assert explained.outcome == outcome
        assert [each.name for each in explained.rules if each.decides] == [example.rule]
        assert not set(role_ends(policy, subject, now)) & set(example.never.unless_roles)
        assert lacks(policy.named[example.rule], example.never)
    printed = proof_text.explain_alone(proof_text.pose(policy, example))
    assert isinstance(printed.outcome, Allow | NeedsApproval), printed.outcome
    assert [each.name for each in printed.rules if each.decides] == [example.rule]


# ----------------------------------------------------------------------------------------------------- by hand


def decided(text: str, start: int = START) -> list[str]:
    """What breaks, as ``name: rule`` or the reason why it is undecided."""
    policy = load(text)
    found = prove(policy, policy.nevers, start)
    return [f"{x.never.name}: {x.rule if isinstance(x, Counterexample) else x.why}" for x in found]


NEVER = '[[never]]\nname = "prod"\nhosts = { env = "prod" }\n'
PROD = ALLOW.replace("staging", "prod")
VALUES = 'env = { values = ["prod", "staging"] }'


def test_a_sentence_holds_until_a_rule_breaks_it() -> None:
    assert decided(HEAD + NEVER + ALLOW) == []
    assert decided(HEAD + NEVER + PROD) == ["prod: prod"]
    assert decided(HEAD + NEVER + 'without = "approval"\n' + PROD) == ["prod: prod"]
    approved = PROD.replace("approvals = []", 'approvals = [{ from = "sre", count = 1 }]')
    assert decided(HEAD + NEVER + 'without = "approval"\n' + approved) == []
    assert decided(HEAD + NEVER + 'without = ["approval", "mfa"]\n' + approved) == ["prod: prod"]
    assert decided(HEAD + NEVER + 'unless_role = "sre"\n' + PROD) == []
    assert decided(HEAD + NEVER + 'login = "root"\n' + PROD) == []
    assert decided(HEAD + NEVER + "break_glass = false\n" + BREAK_GLASS) == []
    assert decided(HEAD + NEVER + BREAK_GLASS) == ["prod: on-call"]


def test_a_rule_that_begins_next_year_breaks_it_unless_the_sentence_ends_before() -> None:
    later = PROD + 'from = 2027-06-01\nzone = "UTC"\n'
    assert decided(HEAD + NEVER + later) == ["prod: prod"]
    assert decided(HEAD + NEVER + "within = 2027-05-31\n" + later) == []
    assert decided(HEAD + NEVER + "within = 2027-06-01\n" + later) == ["prod: prod"]
    assert decided(HEAD + NEVER + "within = 2039-06-01\n" + later) == ["prod: it reaches further ahead than 2 years"]


def test_a_sentence_whose_time_has_passed_is_over_and_forbids_nothing() -> None:
    """Through the whole of its last day, in UTC, it counts; after that not even what it names has to be there."""
    text = HEAD + NEVER + "within = 2026-03-04\n" + PROD
    (never,) = load(text).nevers
    midnight = at("2026-03-05 01:00")
    assert [is_over(never, when) for when in (START, midnight - 1, midnight)] == [False, False, True]
    assert [decided(text, when) for when in (START, midnight - 1, midnight)] == [["prod: prod"], ["prod: prod"], []]
    assert not is_over(load(HEAD + NEVER + PROD).nevers[0], midnight)
    other = load(HEAD.replace("env = {", "tier = {"))
    assert [len(prove(other, [never], when)) for when in (midnight - 1, midnight)] == [1, 0]


def test_years_between_two_dates_that_are_not_looked_at_leave_it_undecided() -> None:
    """The end of a role in 2099 does not bring 2040 near, when in Ramadan the hours are outside those of the deny."""
    roles = HEAD + 'aide = [{ from = "acme/group:Aides", until = 2099-12-31 }]\n'
    rule = PROD + 'hours = "12:00-13:00"\nzone = "Africa/Casablanca"\n'
    freeze = '[[deny]]\nname = "freeze"\nhours = "12:00-14:00"\nzone = "Europe/Berlin"\n'
    for day in ("2060-12-31", "2099-12-31", "2100-06-01"):
        text = f"{roles}{NEVER}within = {day}\n{freeze}{rule}"
        assert decided(text) == ["prod: it reaches further ahead than 2 years"]
    near = roles.replace("2099", "2027") + NEVER + "within = 2029-06-01\n" + 'login = "root"\n' + freeze + rule
    assert decided(near) == [], "two years from then on are looked at too"


def test_hours_in_two_zones_overlap_in_some_weeks_alone() -> None:
    """The clocks of New York change two weeks before those of Berlin: then, and not now, nine there is two here."""
    rule = PROD + 'hours = "09:00-10:00"\nzone = "America/New_York"\n'
    freeze = '[[deny]]\nname = "freeze"\nhours = "15:00-16:00"\nzone = "Europe/Berlin"\n'
    assert decided(HEAD + NEVER + "within = 2026-03-07\n" + freeze + rule) == []
    assert decided(HEAD + NEVER + "within = 2026-03-14\n" + freeze + rule) == ["prod: prod"]


def test_who_holds_one_role_more_slips_past_a_deny_or_an_earlier_rule() -> None:
    roles = HEAD + 'lead = ["acme/group:Leads"]\n' + NEVER
    deny = '[[deny]]\nname = "no"\nhosts = { env = "prod" }\nnot_roles = ["lead"]\n'
    assert decided(roles + 'unless_role = "lead"\n' + deny + PROD) == []
    assert decided(roles + deny + PROD) == ["prod: prod"]
    first = PROD.replace('"prod"\nroles', '"first"\nnot_roles = ["lead"]\nroles', 1).replace(
        "approvals = []", 'approvals = [{ from = "sre", count = 1 }]'
    )
    assert decided(roles + 'without = "approval"\n' + first + PROD) == ["prod: prod"]


def test_hosts_that_are_there_count_beside_those_that_the_policy_declares() -> None:
    text = HEAD.replace("[roles]", 'role = { values = ["db"], required = true }\n[roles]') + NEVER
    rules = PROD.replace('{ env = "prod" }', '{ env = "prod", role = "db" }').replace('name = "prod"', 'name = "db"')
    rules = rules.replace("approvals = []", 'approvals = [{ from = "sre", count = 1 }]') + PROD
    policy = load(text + 'without = "approval"\n' + rules)
    assert prove(policy, policy.nevers, START) == ()
    (found,) = prove(policy, policy.nevers, START, hosts=[(("env", "prod"),)])
    assert isinstance(found, Counterexample)
    assert found.host == Host("host", "host", (("env", "prod"),))


def test_what_is_not_decided_does_not_hold() -> None:
    other = load(HEAD.replace('sre = ["acme/group:SRE"]', 'dba = ["acme/group:D"]') + "")
    nevers = load(HEAD + NEVER + 'unless_role = "sre"\n' + ALLOW).nevers
    (undecided,) = prove(other, nevers, START)
    assert isinstance(undecided, Undecided)
    assert undecided.why == "the policy has no role sre"
    labels = "".join(f"l{number} = {{}}\n" for number in range(9))
    denies = "".join(
        f'[[deny]]\nname = "d{number}{value}"\nhosts = {{ l{number} = "{value}" }}\nlogins = ["x{value}"]\n'
        for number in range(9)
        for value in "abc"
    )
    text = HEAD.replace("[roles]", f"{labels}[roles]") + NEVER + denies + PROD
    assert decided(text) == ['prod: rule "prod" leaves more than 20000 kinds of hosts to look at']
    spare = ", ".join(f'"acme/group:S{number}"' for number in range(10))
    deny = '[[deny]]\nname = "d"\nhosts = { env = "prod" }\nnot_roles = ["spare"]\n'
    text = f"{HEAD}spare = [{spare}]\n{NEVER}{deny}{PROD}"
    assert decided(text) == ['prod: rule "prod" leaves more than 20000 kinds of people to look at']
    other = load(HEAD.replace("env = {", "tier = {"))
    (undecided,) = prove(other, load(HEAD + NEVER + ALLOW).nevers, START)
    assert isinstance(undecided, Undecided)
    assert undecided.why == "the policy has no label env"


def test_a_sentence_about_what_the_policy_renamed_is_undecided() -> None:
    """Else whoever renames a value or an action evades the sentence in force about it."""
    nevers = load(HEAD + NEVER + ALLOW).nevers
    renamed = load((HEAD + PROD).replace('"prod"', '"production"'))
    (undecided,) = prove(renamed, nevers, START)
    assert isinstance(undecided, Undecided)
    assert undecided.why == "the label env lacks a value that it names"
    any_value = load((HEAD + ALLOW).replace(VALUES, "env = {}"))
    assert prove(any_value, nevers, START) == ()
    run = '[actions.run]\ncommand = "/bin/run"\n'
    nevers = load(HEAD + run + NEVER + 'action = "run"\n' + ALLOW).nevers
    assert prove(load(HEAD + run + ALLOW), nevers, START) == ()
    (undecided,) = prove(load(HEAD + run.replace(".run", ".go") + ALLOW), nevers, START)
    assert isinstance(undecided, Undecided)
    assert undecided.why == "the policy lacks an action that it names"
    for built_in in ("shell", "command"):
        assert decided(f'{HEAD}{NEVER}action = "{built_in}"\n{ALLOW}') == []


def test_all_but_some_is_about_values_that_a_new_policy_has_besides() -> None:
    """A value that is new is none of those that the sentence in force leaves out."""
    sentence = NEVER.replace('{ env = "prod" }', '{ env = { not = "staging" } }')
    nevers = load(HEAD + sentence + ALLOW).nevers
    rule = ALLOW.replace('"staging"', '"canary"')
    canary = load(HEAD.replace(VALUES, 'env = { values = ["prod", "staging", "canary"] }') + rule)
    (found,) = prove(canary, nevers, START)
    assert isinstance(found, Counterexample)
    assert (found.never, found.host.labels) == (nevers[0], (("env", "canary"),))
    both = NEVER.replace('{ env = "prod" }', '[{ env = "prod" }, { env = { not = ["prod", "staging"] } }]')
    nevers = load(HEAD.replace(VALUES, 'env = { values = ["prod", "staging", "old"] }') + both + ALLOW).nevers
    (lacks_old,) = prove(
        load(HEAD.replace(VALUES, 'env = { values = ["prod", "staging"] }') + ALLOW), nevers, START
    ) or (0,)
    assert lacks_old == 0, "what it leaves out is there"
    (found,) = prove(canary, nevers, START)
    assert isinstance(found, Counterexample)
    renamed = load((HEAD + ALLOW).replace("staging", "stage"))
    (undecided,) = prove(renamed, nevers, START)
    assert isinstance(undecided, Undecided)
    assert undecided.why == "the label env lacks a value that it names"
    (undecided,) = prove(load((HEAD + ALLOW).replace(VALUES, "env = {}")), nevers, START)
    assert isinstance(undecided, Undecided)
    assert undecided.why == "the label env has no list of values any more"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('hosts = { env = "prd" }', 'hosts.env: the label "env" has no value "prd"; did you mean "prod"?'),
        ('unless_role = "sr"', 'unless_role: there is no role "sr"; did you mean "sre"?'),
        ('without = "approvals"', 'without: there is no requirement "approvals"; did you mean "approval"?'),
        ('within = "2027-12-31"', "within: must be a date, is a string; write it like within = 2026-12-31"),
        ('login = "a b"', "login: 'a b' is not an account name"),
        ('action = "migrat"', 'action: there is no action "migrat"'),
        ("break_glass = 1", "break_glass: must be true or false, is a whole number"),
        ('login = "root"\nrole = "sre"', "role: unknown key"),
    ],
)
def test_what_is_wrong_with_a_sentence(line: str, problem: str) -> None:
    (said,) = problems(f"{HEAD}[[never]]\n{line}\n{ALLOW}")
    assert said.partition(": ")[2].startswith(f"never[0].{problem}")


def test_a_sentence_says_something_and_has_a_name_of_its_own() -> None:
    assert "never[0]: forbids everything; say what nobody must have" in problems(f'{HEAD}[[never]]\nname = "x"\n')[0]
    assert 'never[1].name: "prod" is the name of a sentence already' in problems(HEAD + NEVER + NEVER)[0]


@pytest.mark.parametrize("where", ["until = 9999-12-31", "from = 9999-12-31"])
def test_a_date_beyond_which_no_day_can_be_counted_is_an_error(where: str) -> None:
    """As an end for ever: the CA would fail on it, and not only say no."""
    (rule,) = problems(f'{HEAD}{PROD}{where}\nzone = "Europe/Berlin"\n')
    (calendar,) = problems(f"{HEAD}[calendars]\nfar = [9999-12-31]\n{PROD}")
    (sentence,) = problems(f"{HEAD}{NEVER}within = 9999-12-31\n{PROD}")
    (role,) = problems(HEAD.replace('["acme/group:SRE"]', '[{ from = "acme/group:SRE", until = 9999-12-31 }]') + PROD)
    assert all("is after 9990, where nothing can be counted" in each for each in (rule, calendar, sentence, role))
    assert decided(f'{HEAD}{NEVER}{PROD}until = 9990-12-31\nzone = "Europe/Berlin"\n') == ["prod: prod"]
