"""Canaille: exact redirect addresses, a key of its own and RS512, groups and e-mail in ID tokens."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from sshjit.errors import Refused
from tests.providers.providers import Walker, World, world


def test_a_fresh_sign_in_asks_once_and_says_when(exact: World) -> None:
    walker = Walker()
    exact.web(walker)
    asked = walker.asked
    login = exact.web(walker, fresh=True)
    assert walker.asked > asked
    assert login.auth_time is not None
    assert abs(time.time() - login.auth_time) < 60


def test_the_ca_asks_its_userinfo_by_the_access_token_that_the_id_token_names(
    canaille_url: str, tmp_path: Path
) -> None:
    with world(tmp_path, canaille_url, 'algorithms = ["RS512"]', 'claims_from = "userinfo"') as other:
        login = other.web(Walker())
        assert login.groups == ("SRE",)
        why = "the userinfo answer of Acme has no claim 'email_verified'"
        assert login.remarks == (f"the address alice@example.com counts for no role: {why}",)


def test_its_algorithm_is_named_where_it_is_not_allowed(canaille_url: str, tmp_path: Path) -> None:
    with (
        world(tmp_path, canaille_url, 'algorithms = ["ES256"]') as other,
        pytest.raises(Refused, match=r"signed with '\w+'; allowed is ES256"),
    ):
        other.web(Walker())
