"""No bytes make a reader raise anything but a refusal, take a forgery, or run away."""

from __future__ import annotations

import functools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import CORPUS, TARGETS, corpus, within
from tests.unit.sshjit.core_world import broken

FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@functools.cache
def seeds(name: str) -> list[bytes]:
    return TARGETS[name].seeds()


@pytest.mark.parametrize("name", TARGETS)
def test_the_seeds_are_in_order(name: str) -> None:
    assert seeds(name)
    for seed in seeds(name):
        TARGETS[name].check(seed)


@pytest.mark.parametrize("name", TARGETS)
@FEW
@given(data=st.data())
def test_broken_seeds(name: str, data: st.DataObject) -> None:
    made = data.draw(st.sampled_from(seeds(name)).flatmap(broken))
    with within():
        TARGETS[name].check(made)


@pytest.mark.parametrize("name", TARGETS)
@FEW
@given(made=st.binary(max_size=400) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_arbitrary_bytes(name: str, made: bytes) -> None:
    with within():
        TARGETS[name].check(made)


def test_every_folder_of_the_corpus_has_a_target() -> None:
    assert {path.name for path in CORPUS.iterdir() if path.is_dir()} == set(TARGETS)


@pytest.mark.parametrize("name", TARGETS)
def test_the_corpus(name: str) -> None:
    found = corpus(name)
    assert found
    for path in found:
        with within():
            TARGETS[name].check(path.read_bytes())
