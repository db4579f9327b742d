"""Lines of what ssh reads: whatever wrote a value, none becomes two, and nothing is written then."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from sshjit import sshcert
from sshjit.errors import Failed
from sshjit_client.connecting import certificate
from sshjit_client.plain_ssh import certificates, hosts, person_config, ssh_config
from sshjit_client.plain_ssh.layout import Layout
from sshjit_client.ssh import agent_certificates, connection_args, known_hosts, sshconfig
from sshjit_client.storage import host_names, one_line
from sshjit_client.storage.settings import Settings, save
from tests.unit.client.conftest import here
from tests.unit.client.installation_keys import InstallationKeys, make_key
from tests.unit.client.line_ends import LINE_ENDS
from tests.unit.client.test_certificate import _view, behind
from tests.unit.client.test_sshconfig import target

EVIL = "ProxyCommand id"


@pytest.mark.parametrize("end", LINE_ENDS)
def test_t51_no_value_becomes_two_lines(end: str) -> None:
    assert one_line.clean(f"a{end}b{end}", 500) == "a b"
    assert one_line.clean(f"a{end}b", 2) == "a "
    for odd in (f"a{end}b", f"a{end}", f"{end}b", end):
        with pytest.raises(Failed) as refused:
            one_line.require("fine", odd)
        assert refused.value.code == "odd_line"


def test_what_is_one_line_stays_as_it_is() -> None:
    lines = ("", " ", "\ta  b ", "\U0001f469\u200d\U0001f4bb", "\udcff/x")
    assert one_line.require(*lines) == lines
    assert tuple(one_line.clean(line, 500) for line in lines) == lines


@pytest.mark.parametrize("end", ["\n", "\r"])
@pytest.mark.parametrize("field", ["typed", "host", "address", "login", "proxy", "first"])
def test_t51_our_configuration_is_not_written_with_a_value_that_is_two_lines(
    tmp_path: Path, field: str, end: str
) -> None:
    """Whoever checked that value before, and whatever they missed."""
    value: object = f"x{end}{EVIL}"
    changed = dataclasses.replace(target(tmp_path), **{field: (value,) if field == "first" else value})  # type: ignore[arg-type]
    args, own = connection_args.read(["-F", "none", "web1"]), sshconfig.Own(None, "/etc/known", None)
    with pytest.raises(Failed, match="must be one line"):
        sshconfig.text(args, changed, own, "# head")
    for head in (("# head", f"# {value}"), (f"# {value}",)):
        with pytest.raises(Failed, match="must be one line"):
            sshconfig.text(args, target(tmp_path), own, *head)
    with pytest.raises(Failed, match="must be one line"):
        sshconfig.text(args, target(tmp_path), dataclasses.replace(own, known_hosts=str(value)), "# head")


@pytest.mark.parametrize("which", ["host", "bastion"])
def test_t51_nor_by_what_an_unchecked_certificate_came_with(
    installation: InstallationKeys, tmp_path: Path, which: str
) -> None:
    """Played to the files: the check is passed by, and nothing that ssh reads has the line."""
    state, public, believed = tmp_path / "state", make_key(tmp_path / "mine").line, installation.bundle()
    state.mkdir(mode=0o700)
    checked = certificate.check(behind(installation, public), public, "web1", None, believed)
    passing = checked.bastion
    assert passing is not None
    if which == "host":
        checked = dataclasses.replace(checked, route=dataclasses.replace(checked.route, address=f"a\n{EVIL}"))
    else:
        checked = dataclasses.replace(checked, bastion=dataclasses.replace(passing, address=f"a\n{EVIL}"))
    own, kept = sshconfig.Own(None, "/etc/known", None), sshconfig.Files(state / "id", state / "revoked", state)
    with pytest.raises(Failed, match="must be one line"):
        certificate.keep(checked, connection_args.read(["web1"]), believed, own=own, kept=kept, until=2**40)
    written = [line for path in (state / "open").iterdir() for line in path.read_text().splitlines()]
    assert written
    assert not [line for line in written if line.startswith(EVIL)]


def test_t51_how_a_host_is_known_names_that_host_alone(installation: InstallationKeys) -> None:
    believed = installation.bundle()
    other = dataclasses.replace(believed, host_ca=(f"{believed.host_ca[0]}\n* x",))
    for bundle, name in ((believed, "web1\n@cert-authority *"), (other, "web1")):
        with pytest.raises(Failed, match="must be one line"):
            known_hosts.text(bundle, name)


def layout(folder: Path) -> Layout:
    return Layout(folder, folder / "revoked", folder / "x.conf", Path("/usr/bin/python3"), Path("/opt/fast.py"))


BASTION = hosts.Bastion("gate", "192.0.2.1", 22, "jump")
PLAIN = hosts.PlainHost("web1", "192.0.2.7", 22, "deploy", BASTION)
TWO = f"x\n{EVIL}"


@pytest.mark.parametrize(
    "plain",
    [
        dataclasses.replace(PLAIN, name=TWO),
        dataclasses.replace(PLAIN, address=TWO),
        dataclasses.replace(PLAIN, account=TWO),
        dataclasses.replace(PLAIN, known_hosts=TWO),
        dataclasses.replace(PLAIN, bastion=dataclasses.replace(BASTION, name=TWO)),
        dataclasses.replace(PLAIN, bastion=dataclasses.replace(BASTION, address=TWO)),
        dataclasses.replace(PLAIN, bastion=dataclasses.replace(BASTION, account=TWO)),
    ],
)
def test_t51_plain_sshs_configuration_is_not_written_with_such_a_value(plain: hosts.PlainHost) -> None:
    for write in (ssh_config.included, ssh_config.inline):
        with pytest.raises(Failed, match=r"must be one line|can't"):
            write([plain], layout(Path("/run/plain")))


def test_t51_nor_any_other_file_that_is_read_by_lines(installation: InstallationKeys, tmp_path: Path) -> None:
    with pytest.raises(Failed, match="must be one line"):
        person_config.line(Path("/home/x\nProxyCommand=id"))
    with pytest.raises(Failed, match="must be one line"):
        agent_certificates.note(tmp_path, "/tmp/a\n/tmp/b")  # noqa: S108  # nothing is there
    public = make_key(tmp_path / "mine").line
    view = _view(installation.certify(public, "deploy@web1"))
    checked = certificate.check(view, public, "web1", None, installation.bundle())
    there = layout(tmp_path / "plain")
    there.folder.mkdir(mode=0o700)
    with pytest.raises(Failed, match="must be one line"):
        certificates.keep(
            there, "web1", checked, installation.bundle(), tmp_path, until=2**40, usual=True, agent=f"/a\nroot {2**40}"
        )
    assert not there.live("web1").exists()
    assert sshcert.parse_line(there.certificate("web1").read_text())[0].principals == ("deploy@web1",)


def test_t51_what_a_shell_completes_are_names(tmp_path: Path) -> None:
    """Bash evaluates the words of ``compgen -W``."""
    machine = here(tmp_path)
    save(machine.environ, Settings(1, "https://x.example", "lab", "SHA256:x", None))
    host_names.keep(machine, ["web1", "$(id)", "a\nb", "`id`"])
    host_names.add(machine, "$(id)")
    assert host_names.of_all(machine) == ["web1"]
    for folder in machine.lasting_folders(machine.settings()):
        if (folder / host_names.FILE).exists():
            (folder / host_names.FILE).write_text("$(id)\nweb1\n`id`\n")
    assert host_names.of_all(machine) == ["web1"]
