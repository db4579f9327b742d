"""The life of a request: every move of the table, no other, and each clock at its very second."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sshjit import events, requests
from sshjit.api.views import RequestState
from sshjit.errors import Invalid
from sshjit.requests import Request
from tests.unit.sshjit.core_world import attempt, instances, quick

ASKED = events.Asked(
    request="req-0123456789", subject="sub-aaaaaaaa", login_id="login-aaaaaaaa", via="native", rule="prod",
    policy="d" * 64,
    start=None, break_glass=False, review_within=None, notify=(), extends=None,
    duration=3600, pending=1800, use_by=900, certificate=300, hosts=("db1",), host_ids=("db1",), login="postgres",
    action="shell", command=None, reason="INC-1", address="192.0.2.1", forwarding=(), source=(), verify_required=False,
    fresh_login=None, mfa=False, ends_by=None, steps=(events.StepAsked("sre-lead", 1, signed=False),),
)  # fmt: skip
T = 1_800_000_000
APPROVED_AT = T + 100
PENDING = Request(ASKED, T)
ENDED_STATES = [state for state in RequestState if state not in requests.MOVES]
BY_HAND = {
    RequestState.PENDING: {RequestState.DENIED, RequestState.CANCELLED},
    RequestState.APPROVED: {RequestState.ENDED, RequestState.REVOKED},
}


def opened(ends: int = APPROVED_AT + 3600) -> events.Opened:
    return events.Opened(ASKED.request, "reviewed", ends)


def closed(state: RequestState) -> events.Closed:
    return events.Closed(ASKED.request, state, "sub-aaaaaaaa", "because")


def said() -> events.Decided:
    return events.Decided(
        ASKED.request,
        "sub-bbbbbbbb",
        "login-bbbbbbbb",
        "web",
        "approve",
        requests.digest(ASKED),
        signed=False,
        duration=None,
        comment="",
    )


APPROVED = requests.open_window(PENDING, opened(), APPROVED_AT)
USED = requests.draw(APPROVED, APPROVED_AT + 1)


def standing(state: RequestState) -> Request:
    """A request that stands at ``state`` at the time ``APPROVED_AT + 1``."""
    if state is RequestState.PENDING:
        return PENDING
    return (
        APPROVED if state is RequestState.APPROVED else dataclasses.replace(APPROVED, state=state, closed=APPROVED_AT)
    )


def refused(act: Any) -> str:
    with pytest.raises(Invalid) as caught:
        act()
    return caught.value.code


def test_the_table_is_the_one_that_is_promised() -> None:
    moves = {(start.value, end.value) for start, ends in requests.MOVES.items() for end in ends}
    assert moves == {
        ("pending", "approved"), ("pending", "denied"), ("pending", "cancelled"), ("pending", "expired"),
        ("approved", "ended"), ("approved", "lapsed"), ("approved", "revoked"),
    }  # fmt: skip


@pytest.mark.parametrize("start", list(RequestState))
@pytest.mark.parametrize("end", list(RequestState))
def test_t24_by_hand_a_request_moves_as_the_table_says_and_no_other_way(start: RequestState, end: RequestState) -> None:
    found = attempt(requests.close, standing(start), closed(end), APPROVED_AT + 1)
    assert isinstance(found, Invalid) is (end not in BY_HAND.get(start, set()))
    if isinstance(found, Invalid):
        assert found.code == "wrong_state"
    else:
        assert (found.state, found.closing, found.closed) == (end, "because", APPROVED_AT + 1)
        assert requests.state_at(found, 2**62) is end


@pytest.mark.parametrize("start", [state for state in RequestState if state is not RequestState.PENDING])
def test_t24_only_a_pending_request_is_decided_or_opened(start: RequestState) -> None:
    assert refused(lambda: requests.decide(standing(start), said(), APPROVED_AT + 1)) == "wrong_state"
    assert refused(lambda: requests.open_window(standing(start), opened(), APPROVED_AT + 1)) == "wrong_state"


@pytest.mark.parametrize("start", [state for state in RequestState if state is not RequestState.APPROVED])
def test_t13_only_an_open_window_gives_certificates(start: RequestState) -> None:
    assert refused(lambda: requests.draw(standing(start), APPROVED_AT + 1)) == "wrong_state"


@pytest.mark.parametrize(
    ("request_", "at", "state", "next_state"),
    [
        (PENDING, T + 1800, RequestState.PENDING, RequestState.EXPIRED),
        (APPROVED, APPROVED_AT + 900, RequestState.APPROVED, RequestState.LAPSED),
        (USED, APPROVED_AT + 3600, RequestState.APPROVED, RequestState.ENDED),
    ],
)
def test_t25_each_clock_ends_at_its_very_second(
    request_: Request, at: int, state: RequestState, next_state: RequestState
) -> None:
    assert requests.state_at(request_, at - 1) is state
    assert requests.state_at(request_, at) is next_state
    assert requests.state_at(request_, 2**62) in (next_state, RequestState.ENDED)
    for end in RequestState:
        late, early = closed(end), at - 1
        if end is next_state:
            assert requests.close(request_, late, at).state is end
        else:
            assert refused(lambda late=late: requests.close(request_, late, at)) == "wrong_state"
        if end is next_state and end is not RequestState.ENDED:
            assert refused(lambda late=late, early=early: requests.close(request_, late, early)) == "wrong_state"


def test_t24_an_answer_that_comes_too_late_changes_nothing() -> None:
    late = PENDING.pending_until
    assert refused(lambda: requests.decide(PENDING, said(), late)) == "wrong_state"
    assert refused(lambda: requests.open_window(PENDING, opened(), late)) == "wrong_state"
    assert refused(lambda: requests.draw(APPROVED, APPROVED_AT + 900)) == "wrong_state"
    assert refused(lambda: requests.draw(USED, APPROVED_AT + 3600)) == "wrong_state"
    assert requests.decide(PENDING, said(), late - 1).decisions[0].time == late - 1
    assert requests.draw(APPROVED, APPROVED_AT + 899).used


def test_t25_the_window_counts_from_the_approval_and_use_by_is_met_once_for_all() -> None:
    assert requests.window_end(ASKED, APPROVED_AT) == APPROVED_AT + 3600
    assert APPROVED.use_until == APPROVED_AT + 900
    assert PENDING.use_until is None
    assert requests.state_at(USED, APPROVED_AT + 3599) is RequestState.APPROVED
    assert requests.draw(USED, APPROVED_AT + 3599) is USED


@pytest.mark.parametrize(("ends_by", "end"), [(T + 200, T + 200), (T + 3700, T + 3700), (T + 9999, APPROVED_AT + 3600)])
def test_a_closing_hour_cuts_the_window_and_never_lengthens_it(ends_by: int, end: int) -> None:
    asked = dataclasses.replace(ASKED, ends_by=ends_by)
    assert requests.window_end(asked, APPROVED_AT) == end
    pending = Request(asked, T)
    assert requests.open_window(pending, opened(end), APPROVED_AT).ends == end
    assert refused(lambda: requests.open_window(pending, opened(end + 1), APPROVED_AT)) == "window_too_long"


@pytest.mark.parametrize("ends", [APPROVED_AT + 3601, 2**62])
def test_t4_t52_no_window_is_longer_than_what_was_asked_for(ends: int) -> None:
    assert refused(lambda: requests.open_window(PENDING, opened(ends), APPROVED_AT)) == "window_too_long"


def test_t4_closing_never_opens() -> None:
    assert refused(lambda: requests.close(PENDING, closed(RequestState.APPROVED), T + 1)) == "wrong_state"


@quick
@given(instances(events.Asked), instances(events.Asked))
def test_t23_the_digest_is_over_the_whole_ask(one: events.Asked, other: events.Asked) -> None:
    assert (requests.digest(one) == requests.digest(other)) is (one == other)


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(events.Asked)])
def test_t23_an_ask_changed_in_any_field_is_another_ask(field: str) -> None:
    value = getattr(ASKED, field)
    new: Any = {str: "other", int: 42, bool: True, tuple: (), type(None): 1 << 40}[type(value)]
    new = ("x",) if new == value else new
    changed = dataclasses.replace(ASKED, **{field: new})
    assert requests.digest(changed) != requests.digest(ASKED)
    assert refused(lambda: requests.decide(Request(changed, T), said(), T + 1)) == "digest_differs"


def test_t26_decisions_are_kept_in_order_and_through_every_state() -> None:
    request = requests.decide(PENDING, said(), T + 1)
    second = dataclasses.replace(said(), subject="sub-cccccccc")
    request = requests.decide(request, second, T + 2)
    request = requests.open_window(request, opened(), APPROVED_AT)
    request = requests.close(request, closed(RequestState.REVOKED), APPROVED_AT + 1)
    assert [(each.said.subject, each.time) for each in request.decisions] == [
        ("sub-bbbbbbbb", T + 1),
        ("sub-cccccccc", T + 2),
    ]
    assert (request.how, request.approved, request.asked) == ("reviewed", APPROVED_AT, ASKED)


steps = st.lists(
    st.tuples(st.sampled_from(["decide", "open", "draw", *ENDED_STATES]), st.integers(0, 1500)), max_size=8
)


@quick
@given(steps)
def test_t24_ended_states_never_change_whatever_happens_next(history: list[tuple[Any, int]]) -> None:
    request, now = PENDING, T
    for step, seconds in history:
        now += seconds
        before = requests.state_at(request, now)
        act: Any = {
            "decide": lambda now, _: requests.decide(request, said(), now),  # noqa: B023 - called at once
            "open": lambda now, _: requests.open_window(request, opened(now + 3600), now),  # noqa: B023
            "draw": lambda now, _: requests.draw(request, now),  # noqa: B023
        }.get(step, lambda now, state: requests.close(request, closed(state), now))  # noqa: B023
        found = attempt(act, now, step)
        request = request if isinstance(found, Invalid) else found
        after = requests.state_at(request, now)
        assert after is before or after in requests.MOVES.get(before, frozenset())


@pytest.mark.parametrize("state", list(RequestState))
def test_every_state_has_its_sentence(state: RequestState) -> None:
    assert requests.sentence(state)
    other = RequestState.PENDING if state is not RequestState.PENDING else RequestState.APPROVED
    with pytest.raises(Invalid, match=r"req-0123456789: [a-z ]+"):
        requests.require(standing(state), other, APPROVED_AT + 1)
    requests.require(standing(state), state, APPROVED_AT + 1)
