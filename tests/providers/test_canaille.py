"""Canaille: exact redirect addresses, a key of its own and RS512, groups and e-mail in ID tokens."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sshjit.errors import Refused
from tests.providers.providers import Walker, World, canaille, free_port, world


@pytest.fixture(scope="module")
def ports() -> tuple[int, int]:
    return free_port(), free_port()


@pytest.fixture(scope="module")
def canaille_url(tmp_path_factory: pytest.TempPathFactory, ports: tuple[int, int]) -> Iterator[str]:
    with canaille(tmp_path_factory.mktemp("canaille"), *ports) as url:
        yield url


@pytest.fixture
def here(canaille_url: str, ports: tuple[int, int], tmp_path: Path) -> Iterator[World]:
    native = f", redirect_ports = [{ports[1]}]"
    with world(tmp_path, canaille_url, 'algorithms = ["RS512", "EdDSA", "RS256"]', native=native) as made:
        yield made


def test_both_registrations_sign_in_at_the_exact_redirect(here: World) -> None:
    walker = Walker()
    for login in (here.web(walker), here.native(walker)):
        assert (login.groups, login.roles) == (("SRE",), ("sre",))


def test_a_fresh_sign_in_asks_once_and_says_when(here: World) -> None:
    walker = Walker()
    here.web(walker)
    asked = walker.asked
    login = here.web(walker, fresh=True)
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
