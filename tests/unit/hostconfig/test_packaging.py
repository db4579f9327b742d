"""What is shipped beside the programs: examples that load, units that confine, scripts that parse."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from sshjit import providers, settings
from sshjit.policy import load as load_policy
from sshjit_ca import config as ca_config
from sshjit_web import config as web_config
from tests.support.host_machine import run

ROOT = Path(__file__).resolve().parents[3]
ON_SERVERS = ROOT / "hostconfig" / "sshjit_host" / "root"
"""What lies where in the Debian package; ``join`` takes it from here too."""
UNIT_FOLDERS = (ROOT / "ca" / "systemd", ROOT / "webapp" / "systemd", ON_SERVERS / "usr" / "lib" / "systemd" / "system")
UNITS = sorted(path for folder in UNIT_FOLDERS for path in folder.glob("*.service"))
SCRIPTS = sorted((ROOT / "hostconfig" / "vagrant").glob("*.sh"))


CAPABILITIES = {"ssh-jit-host-sessions": "CAP_KILL CAP_SYS_PTRACE CAP_DAC_OVERRIDE"}
"""Of units that need any: to end the processes of all accounts, to see what they were started with, to write to their
terminals."""


def _service(path: Path) -> dict[str, list[str]]:
    """A unit's ``[Service]``: every value of every key."""
    settings: dict[str, list[str]] = {}
    section = ""
    for line in path.read_text().splitlines():
        if line.startswith("["):
            section = line
        elif section == "[Service]" and "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            settings.setdefault(key, []).append(value)
    return settings


def test_the_examples_of_the_ca_load() -> None:
    text = (ROOT / "ca" / "etc" / "ca.toml").read_text()
    assert settings.fill(ca_config._File, settings.parse(text, "ca.toml"), "ca.toml").web_users == ("ssh-jit-web",)
    known = providers.load((ROOT / "ca" / "etc" / "providers.toml").read_text())
    policy = load_policy((ROOT / "ca" / "etc" / "policy.toml").read_text())
    assert {source.provider for role in policy.roles.values() for source in role} <= known.keys()


def test_the_example_of_the_front_end_loads() -> None:
    folder = Path("/etc/ssh-jit")
    config = web_config.parse((ROOT / "webapp" / "etc" / "web.toml").read_text(), folder)
    assert config.https
    assert config.providers == "/etc/ssh-jit/providers.toml"


def test_both_units_and_examples_name_the_same_sockets() -> None:
    ca = tomllib.loads((ROOT / "ca" / "etc" / "ca.toml").read_text())
    web = tomllib.loads((ROOT / "webapp" / "etc" / "web.toml").read_text())
    assert ca["web_socket"] == web["ca_socket"]
    service = _service(ROOT / "ca" / "systemd" / "ssh-jit-ca.service")
    assert ca["web_socket"].startswith(f"/run/{service['RuntimeDirectory'][0]}/")
    assert ca["home"] == f"/var/lib/{service['StateDirectory'][0]}"


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_units_start_a_program_of_ours_and_confine_it(path: Path) -> None:
    service = _service(path)
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    (command,) = service["ExecStart"]
    assert Path(command.split()[0]).name in scripts
    assert service["CapabilityBoundingSet"] == [CAPABILITIES.get(path.stem, "")]
    for key, value in {"NoNewPrivileges": "yes", "ProtectSystem": "strict", "ProtectHome": "yes"}.items():
        assert service[key] == [value]


def test_every_program_but_the_hosts_has_a_user_of_its_own() -> None:
    users = {path.stem: _service(path).get("User", ["root"])[0] for path in UNITS}
    of_its_own = {"ssh-jit-ca": "ssh-jit-ca", "ssh-jit-web": "ssh-jit-web", "ssh-jit-host": "root"}
    of_its_own["ssh-jit-host-sessions"] = "root"
    parts = {"ssh-jit-notify": "ssh-jit-web", "ssh-jit-probe": "ssh-jit-ca"}  # of the front end, and of the operator's
    assert users == {**of_its_own, **parts}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_provisioning_scripts_are_plain_sh(path: Path) -> None:
    assert path.read_text().startswith("#!/bin/sh\n")
    run("sh", "-n", path)


def test_the_vagrantfile_names_scripts_that_are_there_and_no_address_to_download_from() -> None:
    text = (ROOT / "Vagrantfile").read_text()
    for word in text.split('"'):
        if word.startswith("hostconfig/"):
            assert (ROOT / word).is_file()
    assert "://" not in text
