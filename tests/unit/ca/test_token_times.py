"""The times in ID tokens: whole seconds or fractions, and a provider that does not say when somebody signed in."""

from __future__ import annotations

from typing import Any

import pytest

from sshjit import ca_protocol as m
from sshjit.errors import Invalid, Refused
from tests.support.installation import ALICE, Installation
from tests.support.issuer import WEB_CLIENT


def signed_in(ca: Installation, **changed: Any) -> m.LoginView:
    """The login by a token with these claims."""
    token = ca.token(ALICE, WEB_CLIENT, "n", **changed)
    return ca.say(m.LoginWeb("acme", token, "n", "192.0.2.7"), m.LoginReply).login


@pytest.mark.parametrize(
    ("changed", "auth_time", "issued"),
    [
        ({"iat": 1_800_000_000.0, "exp": 1_800_000_000.9 + 1}, 1_799_999_995, 1_800_000_000),
        (
            {"iat": 1_799_999_990.25, "nbf": 1_799_999_990.25, "auth_time": 1_799_999_980.75},
            1_799_999_980,
            1_799_999_991,
        ),
        ({"updated_at": 1.5e9, "score": 0.25, "nested": {"ratio": [-1.5]}}, 1_799_999_995, 1_800_000_000),
        ({"iat": 1.8e9, "auth_time": 1.8e9 + 0.4}, 1_800_000_000, 1_800_000_000),
    ],
)
def test_numbers_with_fractions_are_times_and_are_taken_to_our_disadvantage(
    ca: Installation, changed: dict[str, Any], auth_time: int, issued: int
) -> None:
    login = signed_in(ca, **changed)
    assert (login.auth_time, login.expires - 8 * 3600) == (auth_time, issued)


def test_t66_a_provider_whose_clock_runs_ahead_makes_no_login_longer_or_fresher(ca: Installation) -> None:
    now = int(ca.time)
    login = signed_in(ca, iat=now + 10, auth_time=now + 10)
    assert (login.auth_time, login.signed_in, login.expires) == (now, now, now + 8 * 3600)


def test_without_auth_time_a_login_is_of_its_token_and_never_fresh(ca: Installation) -> None:
    login = signed_in(ca, auth_time=None)
    assert (login.signed_in, login.auth_time) == (int(ca.time), None)


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": 1_800_000_000.9},
        {"iat": 1_800_000_010.5},
        {"nbf": 1_800_000_010.5},
        {"auth_time": 1_800_000_011.5},
        {"iat": -0.5},
        {"auth_time": 1e300},
        {"auth_time": True},
        {"exp": "1800000600"},
        {"iat": float("inf")},
    ],
)
def test_t14_a_time_that_is_none_or_not_now_makes_no_login(ca: Installation, changed: dict[str, Any]) -> None:
    with pytest.raises((Invalid, Refused)) as refused:
        signed_in(ca, **changed)
    assert refused.value.code in {"bad_token_time", "token_expired", "token_not_new", "token_not_yet", "bad_json"}
