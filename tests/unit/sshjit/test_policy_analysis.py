"""Which rule decides over a week: the same as asking at every moment."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from sshjit.policy import Host, Policy, Subject
from sshjit.policy.analysis import WEEK, Access, PolicyOverTime, Timeline, for_people
from sshjit.policy.approval_steps import on_host
from sshjit.policy.index import members
from sshjit.policy.query import deciding_deny, first_allows, make_query, usable_unix_name
from tests.unit.sshjit.test_policy_properties import NOW, always_on_call, inventories, policies, subjects

LOGINS = ("root", "deploy", "alice")
ACTIONS = ("shell", "run", "command")


@settings(max_examples=60, deadline=None)
@given(policies(), subjects, inventories, st.sampled_from(["192.0.2.1", "10.1.2.3", "2001:db8::1"]))
def test_in_each_stretch_the_rule_decides_that_decides_at_its_moments(
    policy: Policy, subject: Subject, hosts: list[Host], address: str
) -> None:
    timeline, subject = Timeline([policy], NOW), always_on_call(subject)
    over_time = PolicyOverTime(policy, timeline)
    holder = over_time.holder(subject)
    for login in {*LOGINS, usable_unix_name(policy, subject)} - {None}:
        for action in ACTIONS:
            for break_glass in (False, True):
                access = Access(holder, hosts[0], str(login), action, break_glass, address)
                for stretch, rule in zip(timeline.stretches, over_time.deciding_rules(access), strict=True):
                    for moment in (stretch.begin, (stretch.begin + stretch.end) // 2, stretch.end - 1):
                        query = make_query(
                            policy,
                            subject,
                            hosts[:1],
                            login=login,
                            action=action,
                            break_glass=break_glass,
                            now=moment,
                            address=address,
                        )
                        (number,) = first_allows(query)
                        denied = deciding_deny(query) is not None
                        given = None if number is None or denied else query.allows[number]
                        if given is not None and subject.claims is not None and for_people(given):
                            given = None  # a workload cannot meet what it asks for
                        assert rule == (given and on_host(policy.owners, given, hosts[0]))


@given(policies())
def test_stretches_follow_one_another_and_eras_share_them_out(policy: Policy) -> None:
    timeline = Timeline([policy], NOW)
    assert timeline.stretches[0].begin == NOW
    every = 0
    for era, stretches in timeline.eras.items():
        assert not every & stretches
        every |= stretches
        numbers = list(members(stretches))
        assert timeline.stretches[numbers[0]].begin == era
        assert timeline.stretches[numbers[-1]].end <= era + WEEK
        for first, second in pairwise(numbers):
            assert timeline.stretches[first].end == timeline.stretches[second].begin
    assert every == timeline.open_during(None)
    assert list(Timeline([policy], NOW, dated=False).eras) == [NOW]
