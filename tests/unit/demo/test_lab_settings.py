"""The lab's configuration files are taken by the programs that they are for."""

from __future__ import annotations

from pathlib import Path

import pytest

from demo.lab import settings
from demo.lab.paths import Paths, free_ports
from demo.lab.processes import LabError
from demo.lab.settings import Accounts, Ports
from demo.provider import config as provider_config
from sshjit import providers
from sshjit.policy import load
from sshjit_ca import config as ca_config
from sshjit_web import config as web_config

ACCOUNTS = Accounts("deploy", "postgres", "root", "/opt/app/bin/migrate")


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A home with the lab's files in it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made = Paths.make()
    web, acme, partner, web1, db1 = free_ports(5)
    ports = Ports(web, {"acme": acme, "partner": partner}, {"web1": web1, "db1": db1})
    settings.write_all(made, ports, ACCOUNTS, "65534")
    return made


def test_ca_front_end_and_providers_take_their_files(paths: Paths) -> None:
    authority = ca_config.load(paths.etc / "ca.toml")
    assert authority.web_socket == paths.web_socket
    assert 65534 in authority.web_users
    web = web_config.load(paths.etc / "web.toml")
    assert web.ca_socket == (str(paths.web_socket),)
    trusted = providers.load((paths.etc / "providers.toml").read_text())
    for name, trust in trusted.items():
        config = provider_config.read(paths.providers / f"{name}.json")
        assert config.issuer == trust.issuer
        assert config.clients[trust.native.client_id].public
        assert config.clients[trust.web.client_id].secret == Path(trust.web.client_secret_file).read_text().strip()
        assert config.clients[trust.web.client_id].redirect_uris == (f"{web.public_url}/auth/{name}/callback",)


@pytest.mark.parametrize("accounts", [ACCOUNTS, Accounts("me", "me", "root", "/home/me/opt/app/bin/migrate")])
def test_the_policy_is_a_policy(accounts: Accounts) -> None:
    policy = load(settings.policy(accounts))
    assert [rule.name for rule in policy.allows] == ["staging", "prod-database"]


def test_folders_are_as_open_as_they_have_to_be(paths: Paths) -> None:
    modes = {path.name: path.stat().st_mode & 0o777 for path in paths.home.iterdir()}
    assert {name for name, mode in modes.items() if mode == 0o755} == {"etc", "run", "hosts", "people"}
    assert {name for name, mode in modes.items() if mode == 0o700} == {"ca", "admin", "web", "providers", "log"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in paths.web.iterdir())


def test_a_home_that_no_socket_fits_into_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("x" * 100)
    deep.mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(deep))
    with pytest.raises(LabError, match="XDG_CACHE_HOME"):
        Paths.make()
    assert list(deep.glob("ssh-jit-lab/lab-*")) == []
