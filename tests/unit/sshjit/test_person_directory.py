"""People in a directory, linked by addresses over any number of steps: one answer, however it is asked."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sshjit.approvals import Person, PersonDirectory, Step, able, may_approve, others

ADDRESSES = st.frozensets(st.sampled_from(["a@x", "b@x", "c@x", "d@x", "e@x"]), max_size=3)
ROLES = st.frozensets(st.sampled_from(["lead", "dba"]))
CROWDS = st.lists(st.tuples(ADDRESSES, ROLES), max_size=8).map(
    lambda found: [Person(f"sub-{number}", *each) for number, each in enumerate(found)]
)
REQUESTERS = st.builds(Person, st.sampled_from(["sub-0", "sub-1", "sub-new"]), ADDRESSES, ROLES)
STEPS = (Step("lead", 1), Step("dba", 2))


def linked(people: list[Person], start: Person) -> set[str]:
    """Everybody whom addresses or ids in common link to ``start``, found by walking."""
    found, marks = {start.subject_id}, set(start.emails)
    for _ in range(len(people) + 1):  # each round goes a step further
        found |= {each.subject_id for each in people if each.emails & marks}
        marks |= {address for each in people if each.subject_id in found for address in each.emails}
    return found


@given(CROWDS, REQUESTERS)
def test_who_could_approve_is_whoever_has_the_role_and_is_not_linked_to_the_requester(
    people: list[Person], requester: Person
) -> None:
    own = linked(people, requester)
    directory = PersonDirectory(people)
    for step, found in zip(STEPS, able(STEPS, requester, directory), strict=True):
        wanted = [each for each in people if step.role in each.roles and each.subject_id not in own]
        assert list(found) == wanted
        assert wanted == [each for each in people if may_approve(step, requester, each, others=people)]
        assert wanted == [each for each in people if may_approve(step, requester, each, others=directory)]
    assert {each.subject_id for each in others(requester, people, directory)} == {p.subject_id for p in people} - own


def test_a_crowd_is_looked_through_once() -> None:
    directory = PersonDirectory([Person("sub-1", frozenset({"a@x"}), frozenset())])
    assert PersonDirectory.of(directory) is directory
    assert [each.subject_id for each in directory] == ["sub-1"]
