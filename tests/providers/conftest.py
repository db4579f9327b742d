"""Each provider is installed once and started once; what a test changes is its own CA and its own browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.providers import install
from tests.providers.providers import World, canaille, free_port, oidc_provider, world


@pytest.fixture(scope="session", autouse=True)
def installed() -> None:
    """The providers are in ``.cache``; the first time that takes half a minute, and the network."""
    install.install()


@pytest.fixture(scope="session")
def shipped_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """oidc-provider as shipped: groups and e-mail at userinfo alone."""
    with oidc_provider(tmp_path_factory.mktemp("shipped"), free_port()) as url:
        yield url


@pytest.fixture(scope="session")
def in_token_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """oidc-provider with ``conformIdTokenClaims`` off: groups and e-mail in ID tokens."""
    with oidc_provider(tmp_path_factory.mktemp("in-token"), free_port(), conform=False) as url:
        yield url


@pytest.fixture(scope="session")
def exact_port() -> int:
    """The port of the native client's only redirect address at Canaille."""
    return free_port()


@pytest.fixture(scope="session")
def canaille_url(tmp_path_factory: pytest.TempPathFactory, exact_port: int) -> Iterator[str]:
    """Canaille: exact redirect addresses, RS512."""
    with canaille(tmp_path_factory.mktemp("canaille"), free_port(), exact_port) as url:
        yield url


@pytest.fixture(scope="module")
def in_token(in_token_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("in-token"), in_token_url, 'algorithms = ["RS256"]') as made:
        yield made


@pytest.fixture(scope="module")
def exact(canaille_url: str, exact_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    native, algorithms = f", redirect_ports = [{exact_port}]", 'algorithms = ["RS512", "EdDSA", "RS256"]'
    with world(tmp_path_factory.mktemp("exact"), canaille_url, algorithms, native=native) as made:
        yield made


@pytest.fixture(scope="module", params=["oidc-provider", "Canaille"])
def either(request: pytest.FixtureRequest, in_token_url: str, canaille_url: str, exact_port: int) -> Iterator[World]:
    """What every provider must do, at each."""
    folder = request.getfixturevalue("tmp_path_factory").mktemp("either")
    with ExitStack() as stack:
        if request.param == "Canaille":
            native, algorithms = f", redirect_ports = [{exact_port}]", 'algorithms = ["RS512"]'
            yield stack.enter_context(world(folder, canaille_url, algorithms, native=native))
        else:
            yield stack.enter_context(world(folder, in_token_url, 'algorithms = ["RS256"]'))
