"""Who could reach what: each line is what the policies themselves say, asked by the clock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import Phase, given, settings

from sshjit import events
from sshjit.policy import ASSUMED, Allow, Ask, Host, NeedsApproval, Policy, Subject, evaluate, load
from sshjit_ca import state as states
from sshjit_ca.report.access_lines import Line, access_lines
from sshjit_ca.report.builder import Report
from sshjit_ca.report.people import Claims, People
from sshjit_ca.report.period import Period
from sshjit_ca.state import State
from tests.support.audit_month import DAY, HOUR, START, Month
from tests.support.installation import ALICE, Installation, Person
from tests.support.reports import made, rows
from tests.unit.sshjit.test_policy_properties import HEAD, NOW, always_on_call, inventories, policies, subjects

DANA = "d-4 (partner)"


PLACES = ("192.0.2.7", "10.1.2.3", "203.0.113.1")
"""In each of the networks that denies of any policy here are about, and in none of them."""
LOGINS = ("deploy", "postgres", "root", "alice", "nobody")


def said(lines: list[Line], own: str | None) -> set[tuple[str, str, str, str, str]]:
    """Lines taken apart: (person, host, login, action, rule)."""
    return {
        (person, host, own if login == "@own" and own else login, action, line.terms.rule)
        for line in lines
        for person in line.people
        for host in line.hosts
        for login in line.logins
        for action in line.actions
    }


def by_the_clock(
    policy: Policy, who: Subject, hosts: list[Host], start: int
) -> Iterator[tuple[str, str, str, str, str]]:
    """The same by ``evaluate``, asked every four hours for eight days with nothing wanting, from each place."""
    allows, break_glass = (
        tuple(replace(rule, networks=()) for rule in rules) for rules in (policy.allows, policy.break_glass)
    )
    policy = replace(policy, allows=allows, break_glass=break_glass)
    places = PLACES if any(deny.match.networks for deny in policy.denies) else PLACES[:1]
    actions = ("shell", "command", *policy.actions)
    for host, login, action, broken, place in product(hosts, LOGINS, actions, (False, True), places):
        command = "id" if action == "command" else None
        ask = Ask(
            login,
            action,
            command,
            reason="CHG-1 because of it",
            address=place,
            break_glass=broken,
            ticket=ASSUMED,
        )
        for now in range(start, start + 8 * DAY, 4 * HOUR):
            at_its_best = replace(who, auth_time=now, mfa=True, hardware_key=True)
            outcome = evaluate(policy, at_its_best, [host], ask, now)
            if isinstance(outcome, Allow | NeedsApproval):
                yield who.id, host.id, login, action, outcome.terms.rule


def test_reach_is_what_the_policies_themselves_say(report: Report, played: tuple[Installation, Month]) -> None:
    policy = load(played[0].store.policy_text(played[1].digests[-1]))
    people, owners = report.gathered.people.claims, report.gathered.state.own_names
    machines = report.gathered.changes.hosts
    hosts = [host for machine in machines.values() for host in machine.as_policy_sees(machines)]
    listed = said(access_lines(policy, people, owners, hosts, START), None)
    subjects = [claims.subject(subject) for subject, several in people.items() for claims in several]
    assert listed == {access for who in subjects for access in by_the_clock(policy, who, hosts, START)}
    assert len(listed) > 10


@settings(
    max_examples=15, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate]
)  # shrinking takes minutes
@given(policies(), subjects.filter(lambda who: "Passing" not in who.groups), inventories)
def test_it_is_so_for_every_policy(policy: Policy, who: Subject, hosts: list[Host]) -> None:
    who = always_on_call(who)
    rotas = frozenset(turn.rota for turn in who.on_call)
    claims = Claims(
        *(who.provider, who.groups, who.emails, who.unix_name, who.own_listed, rotas, who.claims),
        *(who.denied_groups, who.denied_emails),
    )
    owners = {} if who.unix_name is None else {who.unix_name: who.id}
    lines = access_lines(policy, {who.id: [claims]}, owners, hosts, NOW)
    assert said(lines, who.unix_name) == set(by_the_clock(policy, who, hosts, NOW))


NETWORKS = 'networks = ["192.0.2.0/24"]\n'


@pytest.mark.parametrize(
    ("denied", "reached"), [((NETWORKS,), True), ((f"not_{NETWORKS}",), True), ((NETWORKS, f"not_{NETWORKS}"), False)]
)
def test_a_deny_on_networks_leaves_what_can_be_asked_for_from_elsewhere(
    denied: tuple[str, ...], *, reached: bool
) -> None:
    text = f'{HEAD}[[allow]]\nname = "all"\nroles = ["a"]\nhosts = {{ env = "prod" }}\nlogins = ["root"]\n'
    text += 'approvals = []\ngrant = "1h"\ncertificate = "5m"\n'
    for number, place in enumerate(denied):
        text += f'[[deny]]\nname = "deny-{number}"\nhosts = {{ env = "prod" }}\n{place}'
    people = {"a-1": [Claims("acme", frozenset({"A"}), frozenset(), None, own_listed=False)]}
    lines = access_lines(load(text), people, {}, [Host("h", "h", (("env", "prod"),))], NOW)
    assert bool(lines) == reached
    assert all("by deny-0" in line.terms.hours for line in lines)


RULES = """\
version = 1
[labels]
env = { values = ["prod"], required = true }
[roles]
sre = ["acme/group:SRE"]
trainee = ["acme/email:ann@old.example", "acme/group:Trainee"]
[tickets.jira]
expect.open = true
[[allow]]
name = "strict"
roles = ["sre"]
not_roles = ["trainee"]
hosts = { env = "prod" }
logins = ["root"]
approvals = []
grant = "1h"
certificate = "5m"
[[allow]]
name = "lax"
roles = ["sre"]
hosts = { env = "prod" }
logins = ["root"]
approvals = []
reason = { pattern = "A-[0-9]+" }
grant = "8h"
certificate = "5m"
"""


def reached(people: People, text: str = RULES) -> set[str]:
    lines = access_lines(load(text), people.claims, {}, [Host("h", "h", (("env", "prod"),))], NOW)
    return {line.terms.rule for line in lines}


def signing_in(*said: tuple[str, str, tuple[str, ...]]) -> tuple[People, State]:
    """Sign-ins of (subject, address, groups), one after another, before the period."""
    people, state = People(), State()
    for number, each in enumerate(said):
        sign_in(people, state, f"l-{number}", each)
    return people, state


def sign_in(people: People, state: State, login: str, said: tuple[str, str, tuple[str, ...]]) -> None:
    subject, email, groups = said
    event = events.LoginOpened(
        *(login, subject, "native", f"t-{login}", None, NOW, NOW, NOW + HOUR, False),
        *("acme", subject, "Ann", email, True, groups, None, None, "192.0.2.7"),
    )
    people.signed_in(event, NOW)
    states.apply(state, event, state.size, NOW)


@pytest.mark.parametrize("account", ["a-1", "a-2"])
def test_an_older_address_counts_where_a_rule_is_not_for_it(account: str) -> None:
    """``account`` is who had it: the same account, or another one with an address in common."""
    old = [(account, "ann@old.example", ("SRE",)), (account, "ann@new.example", ("SRE",))]
    people, state = signing_in(*old, ("a-1", "ann@new.example", ("SRE",)))
    people.begin(state)
    claims = list(people.claims["a-1"])
    assert [each.denied_emails for each in claims] == [frozenset({"ann@old.example", "ann@new.example"})]
    assert reached(people) == {"lax"}


def test_an_address_of_the_period_counts_from_its_sign_in_on() -> None:
    people, state = signing_in(("a-1", "ann@new.example", ("SRE",)))
    people.begin(state)
    assert reached(people) == {"strict"}
    sign_in(people, state, "l-9", ("a-2", "ann@new.example", ()))
    sign_in(people, state, "l-10", ("a-2", "ann@old.example", ()))
    people.could_use(state, "a-2")
    assert reached(people) == {"strict", "lax"}


def test_the_groups_of_the_newest_sign_in_count_against_an_older_one() -> None:
    people, state = signing_in(("a-1", "ann@new.example", ("SRE", "Trainee")))
    people.begin(state)
    assert reached(people) == {"lax"}
    sign_in(people, state, "l-9", ("a-1", "ann@new.example", ("SRE",)))
    people.could_use(state, "a-1")
    assert reached(people) == {"strict", "lax"}
    assert {each.denied_groups for each in people.claims["a-1"]} == {frozenset(), frozenset({"SRE", "Trainee"})}


def requirements(*lines: str) -> tuple[str, ...]:
    text = RULES.replace('"A-[0-9]+" }\n', '"A-[0-9]+" }\n' + "".join(f"{line}\n" for line in lines))
    text = text.replace('roles = ["sre"]\nnot_roles = ["trainee"]', 'roles = ["trainee"]')
    people = {"a-1": [Claims("acme", frozenset({"SRE"}), frozenset(), None, own_listed=False)]}
    (line,) = access_lines(load(text), people, {}, [Host("h", "h", (("env", "prod"),))], NOW)
    return line.terms.requirements


def test_what_a_rule_limits_and_prolongs_is_listed() -> None:
    assert requirements() == ("a reason like A-[0-9]+", "at most 16 hosts at once")
    given = requirements(
        'ticket = "jira"',
        "limits = { person = { open = 1 }, rule = { week = 5 } }",
        'extend = { count = 2, by = "1h" }',
    )
    assert given[1:] == (
        "a ticket that jira accepts",
        "at most 16 hosts at once",
        "grants: 1 open a person, 5 in 7 days in all",
        "may be extended 2 times by 1 h",
    )
    weak = requirements('ticket = "jira"', 'ticket_down = "allow"', "keep_open = true", "max_hosts = 200")
    assert weak[1:] == (
        "a ticket that jira accepts, or that it does not answer",
        "at most 200 hosts at once",
        "stays open whatever becomes of the rule and of the hosts' labels",
    )


def test_a_unix_name_that_is_somebody_elses_is_not_ones_own() -> None:
    text = f'{HEAD}[[allow]]\nname = "own"\nroles = ["a"]\nhosts = {{ env = "prod" }}\nlogins = ["@own"]\n'
    policy = load(f'{text}approvals = []\ngrant = "1h"\ncertificate = "5m"\n')
    people = {
        name: [Claims("acme", frozenset({"A"}), frozenset(), "carol", own_listed=False)] for name in ("first", "second")
    }
    (line,) = access_lines(policy, people, {"carol": "second"}, [Host("h", "h", (("env", "prod"),))], NOW)
    assert (set(line.people), line.logins) == ({"second"}, ("@own",))


def test_hours_and_when_it_held_are_said(report: Report) -> None:
    nightly = next(row for row in rows(report, "reach") if row["rule"] == "nightly")
    assert nightly["hours"] == "22:00-04:00 (Europe/Berlin); not Sun (Europe/Berlin), by sunday-freeze"
    assert (nightly["people"], nightly["hosts"]) == ((DANA,), ("old1", "web1", "web2"))
    database = [row for row in rows(report, "reach") if row["rule"] == "database"]
    assert [(row["approvals"], row["held"]) for row in database] == [
        (("1 of lead",), "until 2027-01-15 08:00"),
        (("1 of lead",), "2027-01-15 08:00 to 2027-01-26 11:04"),
        (("1 of lead, signed",), "since 2027-01-26 11:04"),
    ]
    extended = ["may be extended 2 times by 30 min" in row["requirements"] for row in database]
    assert extended == [False, True, True], "a policy in between lets grants be extended"


def test_ten_thousand_hosts_are_as_many_lines_as_their_labels_differ(report: Report) -> None:
    policy = report.access.last
    assert policy is not None
    hosts = [Host(f"h{n}", f"h{n}", (("env", "staging"), ("role", f"r{n}"))) for n in range(10_000)]
    lines = access_lines(policy, report.gathered.people.claims, {}, hosts, START)
    assert sorted((line.terms.rule, len(line.hosts)) for line in lines) == [("nightly", 10_000), ("staging", 10_000)]


def test_an_address_reaches_what_its_own_letters_say_and_nothing_else(ca: Installation) -> None:
    """As roles are given: neither by another address of the same mailbox, nor only in one case of the letters."""
    ca.web(Person("d-4", (), "Dana@Example.com", provider="partner"))
    ca.web(Person("x-9", (), "dana+spare@example.com", provider="partner"))
    ca.web(Person("y-9", (), "dana@example.com", provider="partner", verified=False))
    now = int(ca.time)
    with made(ca, Period(now - HOUR, now + HOUR)) as report:
        (reach,) = (row for row in rows(report, "reach") if row["rule"] == "database")
    assert reach["people"] == (DANA,)


def test_access_that_begins_when_a_role_ends_is_reported_from_then_on(ca: Installation) -> None:
    """The rule for guests stands before the other; when the role ends, the other decides."""
    now = int(ca.time)
    day = now - now % DAY + 10 * DAY
    guests = f'{{ from = "acme/group:SRE", until = {datetime.fromtimestamp(day - DAY, UTC):%Y-%m-%d} }}'
    ca.change_policy("[roles]\n", f"[roles]\nguest = [{guests}]\n")
    rule = ca.policy[ca.policy.index('[[allow]]\nname = "staging"') : ca.policy.index('[[allow]]\nname = "database"')]
    visits = rule.replace('"staging"\nroles = ["sre"]', '"visits"\nroles = ["guest"]', 1)
    ca.change_policy(rule, visits + rule)
    ca.web(ALICE)
    begun = ca.time
    ca.later(60)
    ca.web(ALICE)
    with made(ca, Period(int(begun), day + 5 * DAY)) as report:
        held = {row["rule"]: row["held"] for row in rows(report, "reach") if "web1" in row["hosts"]}
    ends = f"{datetime.fromtimestamp(day, UTC):%Y-%m-%d %H:%M}"
    assert (held["visits"].endswith(f" to {ends}"), held["staging"].endswith(f", since {ends}")) == (True, True)


def test_access_by_dates_is_reported_from_its_first_day_to_its_last(ca: Installation) -> None:
    now = int(ca.time)
    first = now - now % DAY + 10 * DAY
    days = [datetime.fromtimestamp(first + more * DAY, UTC) for more in (0, 3)]
    dates = f'from = {days[0]:%Y-%m-%d}\nuntil = {days[1] - timedelta(days=1):%Y-%m-%d}\nzone = "UTC"\n'
    ca.change_policy('grant = "8h"\n', f'grant = "8h"\n{dates}')
    ca.web(ALICE)
    begun = ca.time
    ca.later(60)
    with made(ca, Period(int(begun), first + 30 * DAY)) as report:
        held = [row["held"] for row in rows(report, "reach") if row["rule"] == "staging"]
    assert held[1:] == [f"{days[0]:%Y-%m-%d %H:%M} to {days[1]:%Y-%m-%d %H:%M}"], "the first is of the policy before"


def test_what_must_never_be_and_whether_it_was_proved_is_in_the_report(ca: Installation) -> None:
    prod = '[[never]]\nname = "approved"\nhosts = { env = "prod" }\nwithout = "approval"\n'
    ca.change_policy("[roles]\n", f"{prod}[roles]\n")
    with made(ca, Period(int(ca.time) - 1, int(ca.time) + 1)) as report:
        found = [row["never"] for row in rows(report, "policies")]
    loaded = datetime.fromtimestamp(ca.time, UTC)
    until = loaded + timedelta(days=2 * 366)
    assert found == [(), (f"approved: proved {loaded:%Y-%m-%d %H:%M}, up to {until:%Y-%m-%d %H:%M}",)]


def test_the_report_says_what_was_proved_when_the_policy_came_and_not_what_is_true_of_it_later(
    ca: Installation,
) -> None:
    """A host that was enrolled since does not change what was found; nor does a period that begins later."""
    prod = '[[never]]\nname = "staged"\nhosts = { env = "staging" }\nlogin = "nobody"\nwithin = 2100-01-01\n'
    ca.say_policy(ca.policy.replace("[roles]\n", f"{prod}[roles]\n", 1), accept=True)
    loaded = f"{datetime.fromtimestamp(ca.time, UTC):%Y-%m-%d %H:%M}"
    ca.later(30 * DAY)
    ca.web(ALICE)
    with made(ca, Period(int(ca.time) - 1, int(ca.time) + 1)) as report:
        ((never,),) = (row["never"] for row in rows(report, "policies"))
    assert never.startswith(f"staged: undecided {loaded}, up to ")


def test_access_of_one_week_of_another_clock_is_reported_when_it_was(ca: Installation) -> None:
    """The clocks of New York change weeks before those of Berlin: then, and else not, nine there is two here."""
    now = int(ca.time)
    ca.change_policy('grant = "8h"\n', 'grant = "8h"\nhours = "09:00-10:00"\nzone = "America/New_York"\n')
    freeze = '[[deny]]\nname = "tea"\nhosts = { env = "staging" }\nhours = "15:00-16:00"\nzone = "Europe/Berlin"\n'
    ca.change_policy('[[allow]]\nname = "staging"', f'{freeze}[[allow]]\nname = "staging"')
    ca.web(ALICE)
    begun = ca.time
    ca.later(60)
    with made(ca, Period(int(begun), now + 366 * DAY)) as report:
        held = [row["held"] for row in rows(report, "reach") if row["rule"] == "staging"]
    assert any("2027-03-12 07:00 to 2027-03-19 07:00" in each for each in held), "the week in which it is"
    assert any("2027-03-19 07:00 to 2027-03-26 01:00" in each for each in held), "the week after"
