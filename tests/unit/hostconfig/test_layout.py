"""The layout of the Debian package, and that ``join`` goes by the same one."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.isolate import REPOSITORY
from sshjit_host import program as host_program
from sshjit_host.joining import units
from tests.support import joining_machine
from tests.support.host_machine import Authority, run
from tests.support.joining_machine import PROGRAM, TOKEN, Machine

SOURCES = REPOSITORY / "hostconfig"
SYSTEMCTL = REPOSITORY / "tests" / "support" / "small_systemd.py"


def lay_out(folder: Path) -> dict[str, Path]:
    """Run ``build_layout.py``; the files by their places."""
    places = run(sys.executable, SOURCES / "build_layout.py", folder).split()
    files = {f"/{path.relative_to(folder)}": path for path in folder.rglob("*") if path.is_file()}
    assert sorted(files) == places
    return files


def test_the_package_holds_the_program_its_files_and_an_example(program: Path, tmp_path: Path) -> None:
    files = lay_out(tmp_path)
    example = "/usr/share/doc/ssh-jit-host/examples/host.json"
    assert files.keys() == {host_program.PACKAGED, *host_program.SHIPPED, example}
    assert files[host_program.PACKAGED].read_bytes() == program.read_bytes()
    assert {place: path.stat().st_mode & 0o7777 for place, path in files.items() if path.stat().st_mode & 0o111} == {
        host_program.PACKAGED: 0o755
    }
    for place in host_program.SHIPPED:
        text = files[place].read_text()
        started = f"ExecStart={host_program.PACKAGED} --config /etc/ssh-jit/host.json" in text
        assert started != place.endswith(".timer")
        assert PROGRAM not in text, "a package puts nothing below /usr/local"
        assert text.encode() == host_program.shipped(place)


def test_the_list_names_all_that_is_shipped_and_all_that_join_enables() -> None:
    root = SOURCES / "sshjit_host" / "root"
    assert {f"/{path.relative_to(root)}" for path in root.rglob("*") if path.is_file()} == set(host_program.SHIPPED)
    assert {f"{units.PACKAGED}/{name}" for name in units.ALL} == set(host_program.SHIPPED)


@pytest.fixture
def machine(authority: Authority, program: Path) -> Iterator[Machine]:
    """A server with the package, whose services a small systemd starts by their units."""
    with joining_machine.machine(authority, program) as made:
        made.path(PROGRAM).unlink()
        lay_out_in(made)
        shutil.copy(SYSTEMCTL, made.path("/usr/local/bin/systemctl"))
        made.sh("mkdir -p /run/systemd/system; kill $(cat /run/sshd.pid)")
        made.sh("until ! kill -0 $(cat /run/sshd.pid) 2>/dev/null; do sleep 0.1; done; systemctl start ssh")
        made.wait_for_sshd()
        yield made


def lay_out_in(machine: Machine) -> None:
    run(sys.executable, SOURCES / "build_layout.py", machine.root)


def packaged(machine: Machine) -> dict[str, bytes]:
    """The package's files on the machine."""
    return {place: machine.path(place).read_bytes() for place in (host_program.PACKAGED, *host_program.SHIPPED)}


def test_a_server_with_the_package_joins_by_its_units_and_leaves_them_alone(
    authority: Authority, machine: Machine
) -> None:
    before, files = machine.snapshot(), packaged(machine)
    words = [host_program.PACKAGED, *machine.line()]
    text = run(*machine.argv(*words), given=f"{TOKEN}\n".encode())
    assert "reloaded sshd (systemd, ssh.service)" in text
    assert "started ssh-jit-host.service" in text
    assert machine.ssh(authority.certificate("deploy@web1", 61)) == 0
    own = machine.path(str(units.OWN))
    for name in (units.WATCH, units.SESSIONS):
        assert not (own / name).exists(), "the package's unit fits"
        assert str(machine.path(str(units.wants(name))).readlink()) == f"{units.PACKAGED}/{name}"
        machine.sh(f"systemctl is-active --quiet {name}")
    text = run(*machine.argv(host_program.PACKAGED, "leave"))
    assert "this server is as it was before it joined" in text
    assert (machine.snapshot(), packaged(machine)) == (before, files)
    for name in units.NAMES:
        machine.sh(f"systemctl is-active --quiet {name}", code=3)
