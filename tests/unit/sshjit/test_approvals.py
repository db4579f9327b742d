"""Who counts, for which step, and who never does."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sshjit import passkeys
from sshjit.approvals import Approver, Person, Step, complete, may_approve, same_person, standing, unfillable

LEAD, DBA = Step("lead", 1), Step("dba", 1)
NOBODY: frozenset[str] = frozenset()


def person(name: str, *roles: str, mail: str | None = None, signed: bool = False) -> Approver:
    """An account; ``mail`` are its addresses, by default one of its own."""
    emails = frozenset((mail if mail is not None else f"{name}@example.com").split())
    return Approver(f"sub-{name}", emails, frozenset(roles), signed)


ALICE = person("alice", "sre")


def missing(steps: tuple[Step, ...], *approvers: Approver, requester: Person = ALICE) -> list[int]:
    return [step.missing for step in standing(steps, requester, approvers)]


def test_every_step_is_needed() -> None:
    assert missing((LEAD, DBA)) == [1, 1]
    assert missing((LEAD, DBA), person("bob", "lead")) == [0, 1]
    assert missing((LEAD, DBA), person("bob", "lead"), person("dana", "dba")) == [0, 0]
    assert complete((), ALICE, ())
    assert not complete((LEAD,), ALICE, (person("dana", "dba"),))


def test_more_than_enough_is_enough() -> None:
    assert missing((LEAD,), person("bob", "lead"), person("eve", "lead")) == [0]


def test_t22_one_person_counts_once_over_all_steps() -> None:
    bob = person("bob", "lead", "dba")
    assert missing((LEAD, DBA), bob) == [0, 1]
    assert missing((LEAD, DBA), bob, bob) == [0, 1]
    assert missing((LEAD, DBA), bob, person("bob2", "dba", mail="bob@example.com")) == [0, 1]
    assert missing((Step("lead", 2),), bob, person("bob2", "lead", mail="BOB@example.com x@example.com")) == [1]


def test_people_are_shared_out_as_well_as_can_be() -> None:
    both, only = person("bob", "lead", "dba"), person("eve", "lead")
    found = standing((LEAD, DBA), ALICE, (both, only))
    assert [(each.people, each.missing) for each in found] == [(("sub-eve",), 0), (("sub-bob",), 0)]
    assert [each.missing for each in standing((LEAD, DBA), ALICE, (only, both))] == [0, 0]


def test_t21_nobody_approves_for_themselves_by_any_account() -> None:
    leads = person("alice", "lead")
    assert missing((LEAD,), leads, requester=leads) == [1]
    assert missing((LEAD,), person("a2", "lead", mail="alice@example.com"), requester=leads) == [1]
    assert missing((LEAD,), person("a2", "lead", mail="Alice@Example.com"), requester=leads) == [1]


def test_t61_links_reach_through_a_third_account() -> None:
    second = person("a2", "dba", mail="alice@example.com secret@example.com")
    third = person("a3", "lead", mail="secret@example.com")
    assert missing((LEAD,), third) == [0]
    assert missing((LEAD,), third, second) == [1]
    assert [step.missing for step in standing((LEAD,), ALICE, (third,), others=(second,))] == [1]
    assert not may_approve(LEAD, ALICE, third, others=(second,))


def test_signed_steps_want_signatures_by_the_account_that_has_the_role() -> None:
    step = Step("lead", 1, signed=True)
    assert missing((step,), person("bob", "lead")) == [1]
    assert missing((step,), person("bob", "lead", signed=True)) == [0]
    other = person("bob2", "dba", mail="bob@example.com", signed=True)
    assert missing((step,), person("bob", "lead"), other) == [1]
    assert missing((LEAD,), person("bob", "lead", signed=True)) == [0]


def test_same_person() -> None:
    assert same_person(ALICE, ALICE)
    assert same_person(ALICE, person("a2", mail="x@example.com ALICE@example.com"))
    assert not same_person(ALICE, person("bob"))
    assert not same_person(person("x", mail=""), person("y", mail=""))


@pytest.mark.parametrize(
    ("step", "who", "may"),
    [(LEAD, person("bob", "lead"), True), (LEAD, person("bob", "dba"), False), (LEAD, ALICE, False)],
)
def test_may_approve(step: Step, who: Approver, *, may: bool) -> None:
    assert may_approve(step, ALICE, who) == may


def test_t30_a_step_that_nobody_can_fill_is_found() -> None:
    leads = person("alice", "lead")
    twin = person("a2", "lead", mail="alice@example.com")
    bob = person("bob", "lead")
    assert unfillable((DBA, LEAD), ALICE, (bob,), frozenset({"lead"})) == LEAD
    assert unfillable((LEAD,), leads, (), NOBODY) == LEAD
    assert unfillable((LEAD,), leads, (leads, twin), NOBODY) == LEAD
    assert unfillable((LEAD,), leads, (leads, twin, bob), NOBODY) is None
    assert unfillable((), leads, (), frozenset({"lead"})) is None


def test_a_role_that_nobody_was_seen_in_lately_is_unknown_and_not_empty() -> None:
    assert unfillable((LEAD,), ALICE, (), NOBODY) is None
    assert unfillable((LEAD,), ALICE, (person("dana", "dba"),), NOBODY) is None
    assert unfillable((Step("lead", 3),), ALICE, (person("bob", "lead"),), NOBODY) is None


steps_of = st.lists(
    st.builds(
        lambda role, count, way: Step(role, count, way[0], passkey=way[1]),
        st.sampled_from("abc"),
        st.integers(1, 2),
        st.sampled_from([(False, ""), (True, "any"), (True, "device-bound"), (True, "")]),
    ),
    max_size=3,
    unique_by=lambda step: (step.role, passkeys.asked(step)),
).map(tuple)
people = st.lists(
    st.tuples(
        st.frozensets(st.sampled_from("abc")),
        st.sampled_from([(False, ""), (False, "synced"), (False, "device-bound"), (True, "")]),
    ),
    max_size=5,
).map(
    lambda found: [
        Approver(f"sub-{number}", frozenset({f"{number}@example.com"}), roles, signed, passkey=passkey)  # type: ignore[arg-type]
        for number, (roles, (signed, passkey)) in enumerate(found)
    ]
)


@settings(max_examples=200, deadline=None)
@given(steps_of, people)
def test_no_better_sharing_out_exists(steps: tuple[Step, ...], approvers: list[Approver]) -> None:
    def filled(choice: tuple[int, ...]) -> int:
        counts = [0] * len(steps)
        for approver, number in zip(approvers, choice, strict=True):
            if number < len(steps) and steps[number].role in approver.roles:
                counts[number] += passkeys.given(approver) >= passkeys.asked(steps[number])
        return sum(min(count, step.count) for count, step in zip(counts, steps, strict=True))

    best = max(filled(choice) for choice in product(range(len(steps) + 1), repeat=len(approvers)))
    found = standing(steps, Person("sub-me", frozenset(), frozenset()), approvers)
    assert sum(each.step.count - each.missing for each in found) == best
    assert all(len(each.people) == each.step.count - each.missing for each in found)
    named = [name for each in found for name in each.people]
    assert len(named) == len(set(named))
