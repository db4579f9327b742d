"""What is shipped beside the programs: examples that load, units that confine, scripts that parse."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path

import pytest

from sshjit import providers, settings
from sshjit.policy import load as load_policy
from sshjit_ca import config as ca_config
from sshjit_host.config import Config, parse
from sshjit_host.joining import units
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


def _config(folder: Path, **more: object) -> Config:
    fields = {"version": 1, "name": "web1", "host_id": "web1", "url": "https://a.example", "root": f"SHA256:{'a' * 43}"}
    fields |= {"logins": ["deploy"], "home": str(folder / "ssh-jit"), "host_certificates": False, **more}
    return parse(json.dumps(fields), Path("/etc/ssh-jit/host.json"))


def _value(unit: bytes, key: str) -> str:
    (value,) = (line.partition("=")[2] for line in unit.decode().splitlines() if line.startswith(f"{key}="))
    return value


def test_a_host_with_the_usual_places_needs_no_unit_of_its_own() -> None:
    for name in units.ALL:
        shipped = (ON_SERVERS / "usr/lib/systemd/system" / name).read_bytes()
        installed = shipped.replace(b"/usr/sbin/ssh-jit-host", units.PROGRAM.encode())
        assert units.text(name, _config(Path("/etc/ssh"), refresh_every=300)) == installed


def test_units_may_write_what_the_program_writes_and_no_more(tmp_path: Path) -> None:
    """With ``--beside`` that is wherever the owner's files are, and whosever."""
    config = _config(tmp_path, dropin=f"{tmp_path}/dropins/ours.conf", run="/run/other-name")
    config.home.mkdir()
    own = tmp_path / "own folder"
    own.mkdir()
    place = {"lines": ["deploy@web1"], "glued": False, "made": False}
    (config.home / "beside.json").write_text(json.dumps({f"{own}/principals": place}))
    (config.home / "beside.json").chmod(0o600)
    watch, sessions, once = (units.text(name, config) for name in (units.WATCH, units.SESSIONS, units.REFRESH))
    home = f"-{tmp_path}/ssh-jit"
    assert _value(watch, "ReadWritePaths") == f'/etc/ssh {home} -{tmp_path}/dropins "-{own}"'
    assert _value(once, "ReadWritePaths") == _value(watch, "ReadWritePaths")
    assert _value(sessions, "ReadWritePaths") == f"/etc/ssh {home}"
    assert _value(sessions, "RuntimeDirectory") == "other-name"
    assert (_value(watch, "ProtectHome"), _value(watch, "CapabilityBoundingSet")) == ("yes", "")
    (own / "principals").touch()
    if os.geteuid() == 0:
        os.chown(own / "principals", 0, 4711)
        for name in (units.WATCH, units.REFRESH):
            assert _value(units.text(name, config), "CapabilityBoundingSet") == "CAP_CHOWN", "its group stays"
    (config.home / "beside.json").write_text(json.dumps({"/root/trust/principals": place}))
    watch = units.text(units.WATCH, config)
    assert _value(watch, "ProtectHome") == "read-only"
    assert "-/root/trust" in _value(watch, "ReadWritePaths").split()


def test_every_program_but_the_hosts_has_a_user_of_its_own() -> None:
    users = {path.stem: _service(path).get("User", ["root"])[0] for path in UNITS}
    of_its_own = {"ssh-jit-ca": "ssh-jit-ca", "ssh-jit-web": "ssh-jit-web", "ssh-jit-host": "root"}
    of_its_own |= {"ssh-jit-host-sessions": "root", "ssh-jit-host-refresh": "root"}
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
