"""Reading a command line the way ssh reads it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sshjit_client.ssh import certificate_index, connection_args, sshconfig

LINES = [
    ["web1"],
    ["deploy@web1", "uptime"],
    ["-p", "2222", "-l", "bob", "web1"],
    ["-p2222", "-lbob", "alice@web1"],
    ["alice@web1", "-l", "bob"],
    ["-tt4p", "22", "web1", "-v", "ls", "-la"],
    ["-o", "User=carol", "dave@web1"],
    ["-oUser carol", "web1"],
    ["-o", "user = carol", "web1"],
    ["-o", "Port=7", "web1"],
    ["--", "login", "-x"],
    ["-v", "--", "web1", "--", "ls"],
    ["web1", "--", "-x"],
    ["ssh://eve@web1:2022", "id"],
    ["a@b@web1"],
    ["-D", "1080", "-L", "1:h:2", "-W", "x:1", "-J", "jump", "-i", "key", "web1"],
    ["-B", "lo", "-b", "127.0.0.1", "-c", "aes128-ctr", "-E", "log", "-e", "none", "-I", "lib", "web1"],
    ["-m", "hmac-sha2-256", "-Q", "cipher", "web1"],
    ["-R", "1:h:2", "-S", "sock", "-w", "0:0", "web1"],
]


@pytest.mark.parametrize("line", LINES, ids=" ".join)
def test_host_and_login_are_those_that_ssh_finds(line: list[str], tmp_path: Path) -> None:
    found = connection_args.read(line)
    probe = tmp_path / "none"
    probe.write_text("Match all\nUser nobody-typed\n")
    spoken = [w for w in line if w not in ("-Q", "cipher")]  # -Q would only print the ciphers
    said = subprocess.run(
        ["ssh", "-G", "-F", str(probe), *spoken], capture_output=True, text=True, check=True, cwd=tmp_path
    ).stdout.splitlines()
    assert f"user {found.login or 'nobody-typed'}" in said
    assert f"hostname {found.host}" in said
    assert found.jump == ("jump" if "-J" in line else "")
    assert found.ssh == [word for word in line if word not in ("-J", "jump", "-S", "sock")], "ssh gets them otherwise"
    assert found.typed == line


@pytest.mark.parametrize("letter", sorted(connection_args.WITH_VALUE - {"F", "J", "S"}))
def test_the_value_of_an_option_is_not_the_host(letter: str) -> None:
    found = connection_args.read([f"-{letter}", "value", "web1", "cmd"])
    assert (found.host, found.command) == ("web1", ["cmd"])
    assert connection_args.read([f"-v{letter}value", "web1"]).ssh == [f"-v{letter}value", "web1"]


def test_our_options_are_taken_out_wherever_they_stand_before_the_command() -> None:
    found = connection_args.read(
        ["--action", "migrate", "-v", "db1", "--reason=CHG-7 add", "--for", "30m", "run", "--reason", "x"]
    )
    assert (found.action, found.reason, found.duration) == ("migrate", "CHG-7 add", "30m")
    assert found.ssh == ["-v", "db1", "run", "--reason", "x"]


@pytest.mark.parametrize("line", [["-F", "conf", "web1"], ["-Fconf", "web1"], ["-vF", "conf", "web1"]])
def test_the_configuration_is_taken_out_because_ours_includes_it(line: list[str]) -> None:
    found = connection_args.read(line)
    assert found.config == "conf"
    assert found.ssh in (["web1"], ["-v", "web1"])


def test_an_exact_command_is_what_ssh_would_send() -> None:
    assert connection_args.read(["--action", "command", "web1", "ls", "-l", "/srv"]).exact_command == "ls -l /srv"
    assert connection_args.read(["web1", "ls"]).exact_command == ""


@pytest.mark.parametrize(
    "line",
    [
        ["--frob", "web1"],
        ["--action"],
        ["--reason=", "web1"],
        ["--action", "command", "web1"],
        ["@web1"],
        ["bob@"],
        ["ssh://"],
    ],
    ids=" ".join,
)
def test_what_makes_no_sense_is_refused(line: list[str]) -> None:
    with pytest.raises(connection_args.Usage):
        connection_args.read(line)


@given(st.lists(st.text(max_size=12), max_size=8))
def test_any_words_are_read_or_refused_and_the_command_is_never_touched(words: list[str]) -> None:
    try:
        found = connection_args.read(["web1", "cmd", *words])
    except connection_args.Usage:
        pytest.fail("the words after the command are not ours to judge")
    assert found.command == ["cmd", *words]


@pytest.mark.parametrize("words", [["-S", "p", "web1"], ["-Sp", "web1"], ["-oControlPath=p", "web1"], ["web1", "-vSp"]])
def test_t34_no_control_path_of_the_persons_reaches_ssh(words: list[str]) -> None:
    found = connection_args.read(words)
    assert [word for word in found.ssh if word != "-v"] == ["web1"]
    assert found.typed == words


@pytest.mark.parametrize("words", [["-S", "none", "web1"], ["-o", "controlpath none", "web1"], ["-vSnone", "web1"]])
def test_nor_is_none_taken_away(words: list[str]) -> None:
    assert connection_args.read(words).ssh == words


@pytest.mark.parametrize(
    ("words", "ssh", "written"),
    [
        (["-l", "web1$", "host"], ["host"], "web1$"),
        (["first.last@host", "id"], ["host", "id"], "first.last"),
        (["ssh://web1$@host:22"], ["ssh://host:22"], "web1$"),
        (["-oUser=web1$", "host"], ["host"], "web1$"),
        (["-o", '"User" "web1$"', "bob@host"], ["host"], "web1$"),
        (["-l", "bob", "web1$@host"], ["-l", "bob", "host"], ""),
        (["bob@host"], ["bob@host"], ""),
    ],
)
def test_an_account_that_ssh_may_refuse_there_goes_through_the_file(
    words: list[str], ssh: list[str], written: str
) -> None:
    found = connection_args.read(words)
    assert (found.ssh, found.written) == (ssh, written)
    text = sshconfig.ask(found).answer()
    assert text["user"] == (written or "bob")


def test_an_account_in_any_spelling_makes_another_name_for_the_certificate() -> None:
    plain = certificate_index.name_for(connection_args.read(["web1"]))
    for option in ("User=carol", 'USER "carol"', '"user" carol', "user\tcarol", 'User"carol"', "User=ca\\rol"):
        assert certificate_index.name_for(connection_args.read(["-o", option, "web1"])) != plain
    assert certificate_index.name_for(connection_args.read(["-o", "UserKnownHostsFile=x", "web1"])) == plain


def test_what_is_forwarded_is_noted() -> None:
    found = connection_args.read(["-AXvL1:a:1", "-x", "web1", "-R", "1"])
    assert found.forwards == {"agent": "-A", "port": "-L"}
    assert not found.plain
    assert connection_args.read(["-v", "-p", "22", "web1", "ls", "-A"]).plain
