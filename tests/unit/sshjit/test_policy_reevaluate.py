"""What was granted, held against the policy of now: the same answer as asking anew, never a laxer one."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sshjit import wire
from sshjit.approvals import Step, covers
from sshjit.events import Asked, StepAsked
from sshjit.policy import (
    Allow,
    Ask,
    Bounds,
    Changed,
    Denied,
    Held,
    Host,
    NeedsApproval,
    Outcome,
    Policy,
    StepUp,
    Subject,
    Terms,
    evaluate,
    load,
    reevaluate,
)
from tests.unit.sshjit.policy_world import (
    ALICE,
    DANA,
    DB1,
    EVENING,
    POLICY,
    SATURDAY,
    TEXT,
    WEB1,
    WEDNESDAY,
    at,
)
from tests.unit.sshjit.test_policy_properties import asks, flags, inventories, lines, moments, policies, subjects

OPEN = Held(WEDNESDAY)
WAITING = Held()
DATABASE = Ask("postgres", "migrate", reason="CHG-7", address="192.0.2.7")
STRONG = replace(DANA, auth_time=WEDNESDAY, mfa=True)


def asked(outcome: Outcome, ask: Ask) -> Asked:
    """The ask in the log that an outcome led to."""
    assert isinstance(outcome, Allow | NeedsApproval), outcome
    terms, steps = outcome.terms, outcome.steps if isinstance(outcome, NeedsApproval) else ()
    address = ask.address or ""
    return wire.fill(
        Asked,
        terms,
        request="req-1",
        subject="sub-1",
        login_id="login-1",
        via="native",
        policy="0" * 64,
        start=ask.start,
        break_glass=terms.break_glass is not None,
        review_within=None,
        notify=(),
        extends=None,
        hosts=(),
        host_ids=(),
        reason=ask.reason,
        address=address,
        source=(address,) if terms.source == ("client",) else terms.source,
        steps=tuple(StepAsked(step.role, step.count, step.signed) for step in steps),
        signed=terms.signed_request,
    )


def database() -> Asked:
    """What Dana was granted on the database."""
    return asked(evaluate(POLICY, STRONG, [DB1], DATABASE, WEDNESDAY), DATABASE)


def staging(text: str = TEXT) -> Asked:
    """What Alice was granted at once."""
    ask = Ask("deploy")
    return asked(evaluate(load(text), ALICE, [WEB1], ask, WEDNESDAY), ask)


def changed(old: str, new: str, text: str = TEXT) -> Policy:
    """The policy with a change."""
    assert old in text
    return load(text.replace(old, new))


def code(answer: Bounds | Changed | Denied) -> str:
    """What became of it in a word."""
    return "" if isinstance(answer, Bounds) else "changed" if isinstance(answer, Changed) else answer.code


def test_denies_hours_and_roles_of_now_decide() -> None:
    def now(who: Subject, when: int) -> str:
        return code(reevaluate(POLICY, who, [DB1], database(), OPEN, now=when))

    assert now(DANA, WEDNESDAY + 60) == ""
    assert now(DANA, EVENING) == "no_rule"
    assert now(DANA, SATURDAY) == "denied_by_rule"
    assert now(replace(DANA, emails=frozenset()), WEDNESDAY) == "no_rule"


def test_t23_a_named_action_with_another_command_is_not_what_was_approved() -> None:
    def under(policy: Policy) -> str:
        return code(reevaluate(policy, DANA, [DB1], database(), OPEN, now=WEDNESDAY))

    assert under(changed("bin/migrate", "bin/drop")) == "action_changed"
    gone = TEXT.replace('["shell", "migrate"]', '["shell"]').replace('["migrate", "command"]', '["command"]')
    assert under(load(gone.replace("actions.migrate", "actions.other"))) == "unknown_action"


STRICTER = {
    "another rule": ('"prod-database"', '"renamed"'),
    "an approver more": ('{ from = "dba", count = 1 }', '{ from = "dba", count = 2 }'),
    "another approver": ('{ from = "dba", count = 1 }', '{ from = "auditor", count = 1 }'),
    "signed": ('{ from = "dba", count = 1 }', '{ from = "dba", count = 1, signed = true }'),
    "a signed request": ("mfa         = true", "mfa = true\nsigned_request = true"),
    "a hardware key": ("mfa         = true", "mfa = true\nhardware_key = true"),
    "other networks": ('"client"', '["198.51.100.0/24"]'),
}
STRICTER_TO_APPROVE = {
    **STRICTER,
    "a fresher sign-in": ('fresh_login = "15m"\nmfa', 'fresh_login = "5m"\nmfa'),
    "another reason": ("(INC|CHG)-[0-9]+", "INC-[0-9]+"),
}


@pytest.mark.parametrize("change", STRICTER)
def test_t73_what_asks_for_more_is_asked_again(change: str) -> None:
    answer = reevaluate(changed(*STRICTER[change]), DANA, [DB1], database(), OPEN, now=WEDNESDAY)
    assert isinstance(answer, Changed), answer


@pytest.mark.parametrize("change", STRICTER_TO_APPROVE)
def test_t73_an_older_request_is_not_approved_under_a_stricter_rule(change: str) -> None:
    answer = reevaluate(changed(*STRICTER_TO_APPROVE[change]), DANA, [DB1], database(), WAITING, now=WEDNESDAY)
    assert isinstance(answer, Changed), answer


def test_a_second_factor_that_is_new() -> None:
    strict = changed('name        = "staging"', 'name = "staging"\nmfa = true')
    answer = reevaluate(strict, replace(ALICE, mfa=True), [WEB1], staging(), OPEN, now=WEDNESDAY)
    assert isinstance(answer, Changed)
    assert answer.message == 'rule "staging" now needs a sign-in with a second factor'


def test_fewer_hosts_are_a_limit_of_the_ask() -> None:
    few = changed("max_hosts   = 2", "max_hosts = 1")
    hosts = [DB1, replace(DB1, id="db2", name="db2")]
    assert isinstance(reevaluate(few, DANA, hosts, database(), WAITING, now=WEDNESDAY), Changed)
    assert isinstance(reevaluate(few, DANA, hosts, database(), OPEN, now=WEDNESDAY), Bounds)


def test_one_of_several_hosts_that_was_relabelled_takes_the_grant_along() -> None:
    hosts = [WEB1, replace(WEB1, id="web2", name="web2")]
    grant = staging()
    assert isinstance(reevaluate(POLICY, ALICE, hosts, grant, OPEN, now=WEDNESDAY), Bounds)
    hosts[1] = replace(hosts[1], labels=(("env", "prod"),))
    both = TEXT.replace(
        "[[break_glass]]",
        '[[allow]]\nname = "all"\nroles = ["sre"]\nhosts = { env = "prod" }\nlogins = '
        '["deploy"]\napprovals = []\ngrant = "1h"\ncertificate = "5m"\n[[break_glass]]',
        1,
    )
    answer = reevaluate(load(both), ALICE, hosts, grant, OPEN, now=WEDNESDAY)
    assert isinstance(answer, Changed)
    assert answer.message == 'the hosts fall under different rules: web1 under "staging" and web2 under "all"'


def test_approvals_that_were_given_count_for_steps_that_came_later() -> None:
    signed = changed('{ from = "dba", count = 1 }', '{ from = "dba", count = 1, signed = true }')
    steps: list[tuple[Step, ...]] = []

    def approved(wanted: Any) -> bool:
        steps.append(tuple(wanted))
        return True

    answer = reevaluate(signed, DANA, [DB1], database(), Held(WEDNESDAY, approved), now=WEDNESDAY)
    assert isinstance(answer, Bounds)
    assert steps == [(Step("dba", 1, signed=True), Step("sre-lead", 1, signed=True))]


def test_what_gives_less_gives_less() -> None:
    text = TEXT.replace('forwarding  = ["port"]', "forwarding = []").replace(
        'grant       = "1h"\ncertificate = "5m"\nmax_hosts   = 2', 'grant = "20m"\ncertificate = "2m"\nmax_hosts = 2'
    )
    text = text.replace('use_by      = "20m"', "")
    bounds = reevaluate(load(text), DANA, [DB1], database(), OPEN, now=WEDNESDAY)
    assert bounds == Bounds(certificate=120, forwarding=(), length=1200, ends_by=WEDNESDAY + 1200)
    over = reevaluate(load(text), DANA, [DB1], database(), OPEN, now=WEDNESDAY + 1200)
    assert isinstance(over, Changed)
    longer = Held(WEDNESDAY, longer=1800)
    assert isinstance(reevaluate(load(text), DANA, [DB1], database(), longer, now=WEDNESDAY + 1200), Bounds)


def test_and_what_gives_more_gives_no_more() -> None:
    more = TEXT.replace('forwarding  = ["port"]', 'forwarding = ["port", "agent"]')
    more = more.replace('certificate = "5m"\nmax_hosts   = 2', 'certificate = "9m"\nmax_hosts = 2')
    more = more.replace('source      = "client"', "")
    bounds = reevaluate(load(more), DANA, [DB1], database(), OPEN, now=WEDNESDAY)
    assert isinstance(bounds, Bounds)
    assert (bounds.certificate, bounds.forwarding) == (300, ("port",))


KEPT = TEXT.replace('name        = "staging"', 'name = "staging"\nkeep_open = true')


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        (
            KEPT.replace(
                'approvals   = []\ngrant       = "8h"', 'approvals = [{ from = "dba", count = 1 }]\ngrant = "8h"'
            ),
            (),
        ),
        (KEPT.replace("keep_open = true", "hardware_key = true"), ()),
        (KEPT.replace('"staging"\nkeep', '"renamed"\nkeep'), ()),
        (KEPT.replace('roles       = ["sre", "dba"]', 'roles = ["dba"]'), ()),
        (KEPT, (("env", "prod"),)),
    ],
)
def test_keep_open_keeps_the_rule(text: str, labels: tuple[tuple[str, str], ...]) -> None:
    host = replace(WEB1, labels=labels) if labels else WEB1
    grant = staging(KEPT)
    assert isinstance(reevaluate(load(text), ALICE, [host], grant, OPEN, now=WEDNESDAY), Bounds)
    assert not isinstance(reevaluate(load(text), ALICE, [host], staging(), OPEN, now=WEDNESDAY), Bounds)
    assert not isinstance(reevaluate(load(text), ALICE, [host], grant, WAITING, now=WEDNESDAY), Bounds)


def test_denies_and_roles_of_now_count_for_what_is_kept_open() -> None:
    grant = staging(KEPT)
    prod = replace(WEB1, labels=(("env", "prod"),))
    assert code(reevaluate(load(KEPT), ALICE, [prod], grant, OPEN, now=SATURDAY)) == "denied_by_rule"
    gone = reevaluate(load(KEPT), replace(ALICE, groups=frozenset()), [WEB1], grant, OPEN, now=WEDNESDAY)
    assert isinstance(gone, Denied)
    assert gone.message == 'rule "staging" keeps this open for the roles sre and dba, none of which is held'
    assert gone.hint == "make a new request"
    ending = KEPT.replace('["acme/group:SRE"]', '[{ from = "acme/group:SRE", until = 2026-03-04 }]')
    bounds = reevaluate(load(ending), ALICE, [prod], grant, OPEN, now=WEDNESDAY)
    assert isinstance(bounds, Bounds)
    assert bounds.ends_by == at("2026-03-05 01:00")


# ---------------------------------------------------------------------------------------------------- for every policy

HEAD = """\
version = 1
[labels]
env = { values = ["prod", "staging"] }
[roles]
sre = ["acme/group:SRE", { from = "acme/group:Passing", until = 2026-03-05 }]
dba = ["acme/group:Database"]
lead = ["acme/group:Leads"]
[actions.run]
command = COMMAND
"""
steps = st.sampled_from(
    [
        "[]",
        "[]",
        '[{ from = "lead", count = 1 }]',
        '[{ from = "lead", count = 2 }]',
        '[{ from = "lead", count = 1, signed = true }]',
        '[{ from = "lead", count = 1 }, { from = "dba", count = 1 }]',
    ]
)
allowing = lines(
    {
        "roles": st.sampled_from(['["sre"]', '["sre"]', '["sre", "dba"]', '["dba"]']),
        "hosts": st.sampled_from(['{ env = ["prod", "staging"] }', '{ env = "staging" }', '{ env = "prod" }']),
        "logins": st.just('["deploy", "root"]'),
        "actions": st.just('["shell", "run"]'),
        "approvals": steps,
        "grant": st.sampled_from(['"1h"', '"8h"']),
        "certificate": st.sampled_from(['"5m"', '"2m"']),
    },
    {
        "reason": st.just('{ pattern = "[0-9]" }'),
        "mfa": flags,
        "hardware_key": flags,
        "signed_request": flags,
        "fresh_login": st.sampled_from(['"15m"', '"5m"']),
        "max_hosts": st.sampled_from(["1", "2"]),
        "source": st.sampled_from(['"client"', '["192.0.2.0/24"]', '["10.0.0.0/8"]']),
        "forwarding": st.sampled_from(["[]", '["port"]', '["port", "agent"]']),
    },
)


@st.composite
def small_policies(draw: st.DrawFn) -> Policy:
    """A policy of a few rules that are alike, so that most asks are allowed, and often by another rule."""
    text = HEAD.replace("COMMAND", draw(st.sampled_from(['"/bin/run"', '"/bin/run"', '"/bin/other"'])))
    if draw(st.integers(0, 7)) == 0:
        text += '[[deny]]\nname = "freeze"\nhosts = { env = "prod" }\n'
    for name in draw(st.permutations(["one", "two"])):
        text += f'[[allow]]\nname = "{name}"\n{draw(allowing)}'
    return load(text)


some_asks = st.builds(
    Ask,
    st.sampled_from([None, "deploy", "root"]),
    st.sampled_from(["shell", "run"]),
    reason=st.just("number 7"),
    address=st.sampled_from(["192.0.2.7", "10.0.0.1"]),
    start=st.sampled_from([None, WEDNESDAY + 600]),
)
people = st.sampled_from(["SRE", "SRE", "Passing"]).map(
    lambda group: Subject(
        "sub-1", "acme", frozenset({group}), frozenset(), auth_time=WEDNESDAY, mfa=True, hardware_key=True
    )
)
machines = st.lists(st.sampled_from(["prod", "staging"]), min_size=1, max_size=2).map(
    lambda found: [Host(f"h{number}", f"h{number}", (("env", env),)) for number, env in enumerate(found)]
)


@settings(max_examples=300, deadline=None)
@given(policies() | small_policies(), subjects | people, inventories | machines, asks | some_asks, moments)
def test_what_was_just_granted_goes_on_under_the_same_policy(
    policy: Policy, who: Subject, where: list[Host], ask: Ask, now: int
) -> None:
    outcome = evaluate(policy, who, where, ask, now)
    if isinstance(outcome, Allow | NeedsApproval):
        terms, grant = outcome.terms, asked(outcome, ask)
        for held in (Held(now), WAITING):
            bounds = reevaluate(policy, who, where, grant, held, now=now)
            assert isinstance(bounds, Bounds), bounds
            assert (bounds.certificate, bounds.forwarding) == (terms.certificate, terms.forwarding)


met = Counter[str]()


@settings(max_examples=600, deadline=None)
@given(st.tuples(small_policies(), small_policies()), people, st.tuples(machines, machines), some_asks)
def compare(both: tuple[Policy, Policy], who: Subject, hosts: tuple[list[Host], list[Host]], ask: Ask) -> None:
    """By brute force: what asking anew would say, to the same person with the strongest of sign-ins."""
    (old, new), (before, after), now = both, hosts, WEDNESDAY
    outcome = evaluate(old, who, before, ask, now)
    if not isinstance(outcome, Allow | NeedsApproval):
        return
    grant = asked(outcome, ask)
    relabelled = [replace(host, labels=other.labels) for host, other in zip(before, after, strict=False)]
    where = relabelled + before[len(relabelled) :]
    again = evaluate(new, who, where, replace(ask, login=grant.login), now)
    opened = reevaluate(new, who, where, grant, Held(now), now=now)
    waiting = reevaluate(new, who, where, grant, WAITING, now=now)
    match again:
        case Denied(code="too_many_hosts"):
            assert not isinstance(waiting, Bounds)
        case Denied(code=code):
            assert code in {"no_rule", "denied_by_rule", "different_rules"}
            assert not isinstance(opened, Bounds)
            assert not isinstance(waiting, Bounds)
        case Allow(terms):
            _compare(terms, (), grant, opened, waiting)
        case NeedsApproval(terms, needed):
            _compare(terms, needed, grant, opened, waiting)
        case StepUp():
            pytest.fail("the sign-in is the strongest that there is")
    met[type(opened).__name__] += 1
    met[f"waiting: {type(waiting).__name__}"] += 1


def _compare(
    terms: Terms,
    needed: tuple[Step, ...],
    grant: Asked,
    opened: Bounds | Changed | Denied,
    waiting: Bounds | Changed | Denied,
) -> None:
    """The terms of a new ask demand nothing that the grant does not have, or the grant gives nothing."""
    fits = (
        terms.rule == grant.rule
        and terms.command == grant.command
        and covers(grant.steps, needed)
        and terms.mfa <= grant.mfa
        and terms.verify_required <= grant.verify_required
        and terms.signed_request <= grant.signed
        and _all_inside(grant.source, (grant.address,) if terms.source == ("client",) else terms.source)
    )
    fresh = terms.fresh_login is None or (grant.fresh_login is not None and grant.fresh_login <= terms.fresh_login)
    assert isinstance(opened, Bounds) == fits
    assert isinstance(waiting, Bounds) == (fits and fresh)
    if isinstance(opened, Bounds):
        assert opened.certificate == min(terms.certificate, grant.certificate)
        assert set(opened.forwarding) == set(terms.forwarding) & set(grant.forwarding)


def _all_inside(given: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    def addresses(networks: tuple[str, ...]) -> set[str]:
        """Those of the addresses of these tests that are in the networks."""
        every = ["192.0.2.7", "192.0.2.8", "10.0.0.1", "10.0.0.2", "203.0.113.1"]
        return {each for each in every if not networks or any(ip_address(each) in ip_network(n) for n in networks)}

    return addresses(given) <= addresses(wanted)


def test_t73_under_another_policy_it_goes_on_where_that_asks_for_no_more_and_only_there() -> None:
    compare()
    assert {"Bounds", "Changed", "Denied", "waiting: Bounds", "waiting: Changed", "waiting: Denied"} <= set(met), met
