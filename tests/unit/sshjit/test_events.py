"""The kinds of entries: what is fact, what is detail, and that the two cannot be mixed up."""

from __future__ import annotations

import dataclasses
import typing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sshjit import canonical, events, wire
from sshjit.errors import Invalid
from tests.unit.sshjit.core_world import attempt, instances, json_values, quick

KINDS = sorted(events.KINDS)
any_event: st.SearchStrategy[Any] = st.sampled_from(KINDS).map(lambda kind: events.KINDS[kind]).flatmap(instances)
PERSONAL = {"name", "email", "address", "reason", "comment", "hosts", "host_ids", "login", "claim", "groups", "person",
            "host", "labels", "aliases", "command", "own", "key_line", "asked", "answer"}  # fmt: skip
IDS = {("LoginOpened", "login"), ("LoginClosed", "login")}
"""Fields of such a name that hold one of the CA's own ids."""


def test_every_event_has_a_kind_of_its_own() -> None:
    assert set(events.KINDS.values()) == set(typing.get_args(events.Event))
    assert len(events.KINDS) == len(typing.get_args(events.Event))


@pytest.mark.parametrize("kind", KINDS)
def test_t19_nothing_personal_is_in_a_fact(kind: str) -> None:
    event = events.KINDS[kind]
    facts = {field.name for field in dataclasses.fields(event) if not field.metadata.get("detail")}
    assert {name for name in facts & PERSONAL if (event.__name__, name) not in IDS} == set()


@quick
@given(any_event)
def test_every_event_is_put_together_again(event: Any) -> None:
    fact, details = events.split(event)
    assert fact.keys().isdisjoint(details)
    assert fact.keys() | details.keys() == {field.name for field in dataclasses.fields(event)}
    read = [wire.loads(canonical.dumps(part)) for part in (fact, details)]
    assert events.join(events.kind_of(event), *read) == event


@quick
@given(any_event, st.data())
def test_t45_a_detail_cannot_stand_in_for_a_fact(event: Any, data: st.DataObject) -> None:
    fact, details = events.split(event)
    if not fact or not details:
        return
    name = data.draw(st.sampled_from(sorted(fact)))
    for parts in (
        (fact, {**details, name: fact[name]}),
        ({each: value for each, value in fact.items() if each != name}, {**details, name: fact[name]}),
        ({**fact, **details}, {}),
        ({}, {**fact, **details}),
    ):
        with pytest.raises(Invalid) as caught:
            events.join(events.kind_of(event), *parts)
        assert caught.value.code == "bad_entry"


@quick
@given(any_event, json_values, st.data())
def test_a_field_of_another_type_is_refused_or_means_the_same(event: Any, value: Any, data: st.DataObject) -> None:
    parts = events.split(event)
    part = data.draw(st.sampled_from([part for part in parts if part]))
    part[data.draw(st.sampled_from(sorted(part)))] = value
    found = attempt(events.join, events.kind_of(event), *parts)
    if not isinstance(found, Invalid):
        assert canonical.dumps(events.split(found)) == canonical.dumps(parts)


@pytest.mark.parametrize("kind", ["", "Ask", "asks", "x" * 1000, "\x1b[2J"])
def test_a_kind_that_is_not_known_may_be_a_newer_version_s(kind: str) -> None:
    with pytest.raises(Invalid) as caught:
        events.join(kind, {}, {})
    assert caught.value.code == "newer_log"
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 120
