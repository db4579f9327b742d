"""Names that are no host: what plain ssh is started with, and what a server that lies does not get."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import pytest

from sshjit.errors import Invalid, Refused
from sshjit_client.commands import hosts
from sshjit_client.connecting import unknown_host, way
from sshjit_client.option_parser import Parser
from sshjit_client.ssh import connection_args, jumps, openssh
from sshjit_client.storage import host_names
from sshjit_client.storage.machine import Machine
from sshjit_client.storage.settings import PLAIN_SSH, Settings, save
from tests.unit.client.conftest import here

NO_HOST = Invalid("unknown_host", "there is no host web1")


class BecameSsh(Exception):  # it is the end of the process, not a fault
    """The words that ssh would be started with."""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine whose person wants plain ssh for names that are no host; becoming it ends the test's call."""

    def become(words: list[str], *, silent: bool) -> NoReturn:
        assert silent == ("BatchMode=yes" in words)
        raise BecameSsh(*words)

    monkeypatch.setattr(openssh, "become", become)
    made = here(tmp_path)
    save(made.environ, Settings(1, "https://x.example", "lab", "SHA256:x", None, unknown_hosts=PLAIN_SSH))
    return made


def started(machine: Machine, words: list[str], through: list[str]) -> tuple[str, ...]:
    with pytest.raises(BecameSsh) as became:
        unknown_host.leave_or_raise(machine, connection_args.read(["-F", "none", *words]), NO_HOST, through)
    return became.value.args


@pytest.mark.parametrize("through", [[], ["-J", "gate"]])
def test_plain_ssh_asks_nothing_where_nobody_may_be_asked(machine: Machine, through: list[str]) -> None:
    words = started(machine, ["--non-interactive", "elsewhere", "true"], through)
    assert "BatchMode=yes" in words
    assert words[-2:] == ("elsewhere", "true")
    assert "BatchMode=yes" not in started(machine, ["elsewhere", "true"], through)


def test_nor_do_the_hosts_on_the_way() -> None:
    (hop,) = jumps.hops(connection_args.read(["-J", "gate", "web1"]), "gate")
    assert jumps.plain(hop, silent=True).options[:2] == ("-o", "BatchMode=yes")
    assert "BatchMode=yes" not in jumps.plain(hop, silent=False).options


@pytest.mark.parametrize("typed", ["web1", "WEB1", "w"])
def test_what_was_a_host_is_never_shown_the_person_s_own_keys(machine: Machine, tmp_path: Path, typed: str) -> None:
    """A front end that says of one host that there is none would have them, and nobody would approve or log it."""
    (tmp_path / "config").write_text("Host w\n    HostName web1\n")
    args = connection_args.read(["-F", str(tmp_path / "config"), typed, "true"])
    host_names.keep(machine, ["db1"])
    with pytest.raises(BecameSsh):
        unknown_host.leave_or_raise(machine, args, NO_HOST, [])
    host_names.keep(machine, ["db1", "web1"])
    with pytest.raises(Refused, match="web1 was a host of lab") as refused:
        unknown_host.leave_or_raise(machine, args, NO_HOST, [])
    assert (refused.value.code, "ssh-jit hosts" in refused.value.hint) == ("unknown_host", True)


def test_nor_by_its_address(machine: Machine) -> None:
    """At its port: another sshd there, of a router or a container, is not that host."""
    host_names.keep(machine, ["web1"])
    host_names.keep_addresses(machine, [("192.0.2.7", 2222), ("no\naddress", 22)])
    host_names.add_address(machine, "2001:db8::7", 22)
    host_names.add_address(machine, "127.0.0.1", 22)
    assert started(machine, ["192.0.2.7"], [])
    assert started(machine, ["127.0.0.1"], []), "behind a host on the way it is that one's"
    for words in (["-p", "2222", "192.0.2.7"], ["2001:db8::7"], ["-o", "HostName=2001:db8::7", "elsewhere"]):
        with pytest.raises(Refused, match="was a host of lab"):
            unknown_host.leave_or_raise(machine, connection_args.read(["-F", "none", *words]), NO_HOST, [])
    host_names.keep_addresses(machine, [("192.0.2.8", 22)])
    with pytest.raises(Refused, match="was a host of lab") as refused:
        unknown_host.leave_or_raise(machine, connection_args.read(["-F", "none", "-p2222", "192.0.2.7"]), NO_HOST, [])
    assert "ssh-jit hosts --forget 192.0.2.7;" in refused.value.hint
    assert host_names.forget(machine, "192.0.2.7")
    assert started(machine, ["-p", "2222", "192.0.2.7"], []), "the person agreed"


def test_the_names_that_are_hosts_no_more_are_told(machine: Machine) -> None:
    """So that no list without them is taken in silence."""
    assert host_names.keep(machine, ["db1", "web1", "web2"]) == []
    assert host_names.keep(machine, ["db1", "web3"]) == ["web1", "web2"]
    assert host_names.keep(machine, ["db1", "web3"]) == []
    assert host_names.former(machine) == ["web1", "web2"]
    assert host_names.kept(machine) == ["db1", "web3"]


@pytest.mark.parametrize("left", [[], ["db1"]])
def test_a_list_without_a_host_shows_it_no_keys_until_the_person_agrees(
    machine: Machine, capsys: pytest.CaptureFixture[str], left: list[str]
) -> None:
    """A front end that lies could else give an empty list first, at a sign-in or to ``ssh-jit hosts``."""
    args = connection_args.read(["-F", "none", "web1", "true"])
    host_names.keep(machine, ["db1", "web1"])
    for _ in range(2):
        host_names.keep(machine, left)
    assert capsys.readouterr().err.count("web1; your own keys are not shown to what was a host") == 1
    with pytest.raises(Refused, match="web1 was a host of lab") as refused:
        unknown_host.leave_or_raise(machine, args, NO_HOST, [])
    assert "ssh-jit hosts --forget web1;" in refused.value.hint
    assert host_names.forget(machine, "WEB1")
    assert not host_names.forget(machine, "web1")
    with pytest.raises(BecameSsh):
        unknown_host.leave_or_raise(machine, args, NO_HOST, [])


def test_nor_does_the_server_of_another_installation_take_it_over(machine: Machine) -> None:
    """One that lies gives the host up; the default installation, which never had it, says that it is none."""
    args = connection_args.read(["-F", "none", "web1", "true"])
    save(machine.environ, Settings(1, "https://y.example", "shop", "SHA256:y", None))
    lying = machine.at("shop")
    host_names.keep(lying, ["web1"])
    host_names.keep(lying, [])
    with pytest.raises(Refused, match="web1 was a host of shop") as refused:
        unknown_host.leave_or_raise(machine.at("lab"), args, NO_HOST, [])
    assert "ssh-jit hosts --forget web1 --installation shop" in refused.value.hint


def test_one_that_is_a_host_again_is_former_no_more(machine: Machine) -> None:
    host_names.keep(machine, ["db1", "web1", "web2"])
    host_names.keep(machine, [])
    host_names.add(machine, "db1")
    host_names.keep(machine, ["db1", "web1"])
    assert (host_names.kept(machine), host_names.former(machine)) == (["db1", "web1"], ["web2"])


def test_the_command_forgets_what_it_is_told(machine: Machine) -> None:
    host_names.keep(machine, ["db1", "web1"])
    host_names.keep(machine, ["db1"])
    assert hosts_command(machine, "--forget", "web1") == 0
    assert (host_names.kept(machine), host_names.former(machine)) == (["db1"], [])
    with pytest.raises(Invalid, match="'web1' is not in this machine's list of hosts of lab"):
        hosts_command(machine, "--forget", "web1")


def hosts_command(machine: Machine, *words: str) -> int:
    parser = Parser(prog="ssh-jit hosts")
    act = hosts.BUILD["hosts"](parser)
    return act(machine, parser.parse_args(list(words)))


def test_nor_where_it_is_on_the_way(machine: Machine) -> None:
    """Whatever was chosen for such names: what -J names goes by the person's own keys where it is no host."""

    def no_host(*_: object) -> NoReturn:
        raise NO_HOST

    args = connection_args.read(["-F", "none", "-J", "gate", "web1"])
    host_names.keep(machine, ["web1"])
    assert way.options(args, way.typed(machine, args, no_host)) == ["-J", "gate"]
    host_names.keep(machine, ["gate", "web1"])
    with pytest.raises(Refused, match="gate was a host of lab"):
        way.typed(machine, args, no_host)
