"""The generated configuration, judged by ``ssh -G``: what the person's own says wins, and nothing of theirs is lost."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from sshjit.errors import Failed, Invalid
from sshjit_client.ssh import certificate_index, connection_args, openssh, sshconfig

USUAL = "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2"


def target(tmp_path: Path, **changes: str) -> sshconfig.Target:
    return sshconfig.Target(
        typed=changes.get("typed", "web1"),
        host="web1",
        address="192.0.2.7",
        port=2201,
        login="deploy",
        key=tmp_path / "id 100%",
        certificate=tmp_path / "open" / "web1-cert.pub",
        known_hosts=tmp_path / "web1.known",
        revoked=(tmp_path / "revoked",),
    )


def said(tmp_path: Path, own: str, words: list[str]) -> dict[str, str]:
    (tmp_path / "own [conf] *").write_text(own)
    line = connection_args.read(["-F", str(tmp_path / "own [conf] *"), *words])
    path = tmp_path / "made"
    path.write_text(sshconfig.text(line, target(tmp_path), sshconfig.own(line), "# head"))
    return openssh.effective(line.options, path)


def test_our_block_says_how_to_reach_the_host(tmp_path: Path) -> None:
    found = said(tmp_path, "", ["web1"])
    assert found["hostname"] == "192.0.2.7"
    assert (found["port"], found["user"], found["hostkeyalias"]) == ("2201", "deploy", "web1")
    assert found["identityfile"] == str(tmp_path / "id 100%%")
    assert found["certificatefile"] == str(tmp_path / "open" / "web1-cert.pub")
    assert (found["identitiesonly"], found["stricthostkeychecking"]) == ("yes", "true")


def test_t43_the_persons_own_configuration_wins(tmp_path: Path) -> None:
    own = "Host web1\n HostName other.example\n Port 9\n User me\n IdentitiesOnly no\n StrictHostKeyChecking no\n"
    found = said(tmp_path, own, ["web1"])
    assert (found["hostname"], found["port"], found["user"]) == ("other.example", "9", "me")
    assert (found["identitiesonly"], found["stricthostkeychecking"]) == ("no", "false")


def test_t43_the_persons_known_hosts_files_are_left_alone(tmp_path: Path) -> None:
    plain = openssh.effective(["web1"], _written(tmp_path / "empty", ""))
    found = said(tmp_path, "", ["web1"])
    assert found["userknownhostsfile"] == plain["userknownhostsfile"]
    assert found["globalknownhostsfile"] == f"{USUAL} {tmp_path / 'web1.known'}"
    assert said(tmp_path, "UserKnownHostsFile /x/y\n", ["web1"])["userknownhostsfile"] == "/x/y"


def test_ssh_refuses_hosts_by_the_installations_list(tmp_path: Path) -> None:
    assert said(tmp_path, "", ["web1"])["revokedhostkeys"] == str(tmp_path / "revoked")


@pytest.mark.parametrize("value", ["/etc/ssh/revoked", "none"])
def test_t43_the_persons_list_of_revoked_hosts_stands_alone(tmp_path: Path, value: str) -> None:
    (tmp_path / "own").write_text(f"RevokedHostKeys {value}\n")
    line = connection_args.read(["-F", str(tmp_path / "own"), "web1"])
    assert sshconfig.own(line).revoked == value
    assert said(tmp_path, f"RevokedHostKeys {value}\n", ["web1"]).get("revokedhostkeys", "none") == value


def test_other_hosts_on_the_way_are_not_touched(tmp_path: Path) -> None:
    found = said(tmp_path, "", ["jump"])
    assert found["hostname"] == "jump"
    assert (found["port"], found["identitiesonly"]) == ("22", "no")
    assert "certificatefile" not in found


def test_a_host_block_at_the_end_of_the_persons_file_does_not_swallow_ours(tmp_path: Path) -> None:
    assert said(tmp_path, "Host nothing\n Port 1\n", ["web1"])["port"] == "2201"


def test_with_f_the_systems_configuration_is_not_read_and_without_it_is(tmp_path: Path) -> None:
    own = sshconfig.Own(None, USUAL, None)
    with_f = sshconfig.text(connection_args.read(["-F", "none", "web1"]), target(tmp_path), own, "# head")
    assert "Include" not in with_f
    without = sshconfig.text(connection_args.read(["web1"]), target(tmp_path), own, "# head")
    assert without.index("Include ~/.ssh/config") < without.index("HostName 192.0.2.7")
    assert without.rstrip().endswith("Match all\nInclude /etc/ssh/ssh_config")


@pytest.mark.parametrize(
    ("own", "words", "login"),
    [
        ("", ["web1"], None),
        ("Host web*\n User me\n", ["web1"], "me"),
        ("", ["-o", "User=other", "web1"], "other"),
        ("User me\n", ["bob@web1"], "bob"),
    ],
)
def test_the_account_of_the_persons_configuration_is_found(
    tmp_path: Path, own: str, words: list[str], login: str | None
) -> None:
    path = _written(tmp_path / "own", own)
    assert sshconfig.own(connection_args.read(["-F", str(path), *words])).login == login


def test_known_hosts_files_of_the_system_are_kept(tmp_path: Path) -> None:
    path = _written(tmp_path / "own", "GlobalKnownHostsFile /var/lib/known /etc/more\n")
    assert sshconfig.own(connection_args.read(["-F", str(path), "web1"])).known_hosts == "/var/lib/known /etc/more"


def test_t40_a_path_that_could_say_more_than_a_path_is_refused() -> None:
    for odd in ('/a"b', "/a\nHost *", "/a\\b", "/${HOME}/x"):
        with pytest.raises(Failed):
            sshconfig.quoted(Path(odd))


def test_t40_a_list_whose_path_some_ssh_would_read_otherwise_is_refused(tmp_path: Path) -> None:
    odd = dataclasses.replace(target(tmp_path), revoked=(tmp_path / "%h",))
    with pytest.raises(Failed) as refused:
        sshconfig.text(connection_args.read(["web1"]), odd, sshconfig.Own(None, USUAL, None), "# head")
    assert refused.value.code == "odd_path"


def test_a_configuration_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="there is no file"):
        sshconfig.own(connection_args.read(["-F", str(tmp_path / "missing"), "web1"]))


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("own", "lax"),
    [
        ("", ""),
        ("StrictHostKeyChecking yes\n", ""),
        ("StrictHostKeyChecking accept-new\n", "StrictHostKeyChecking accept-new"),
        ("StrictHostKeyChecking no\n", "StrictHostKeyChecking false"),
        ("VerifyHostKeyDNS yes\n", "VerifyHostKeyDNS yes"),
    ],
)
def test_what_would_accept_an_unknown_host_key_is_found(tmp_path: Path, own: str, lax: str) -> None:
    path = _written(tmp_path / "own", own)
    assert sshconfig.own(connection_args.read(["-F", str(path), "web1"])).lax == lax


def test_an_address_by_a_front_end_is_not_believed_for_what_dns_says_of_it(tmp_path: Path) -> None:
    path = _written(tmp_path / "own", "StrictHostKeyChecking no\nVerifyHostKeyDNS yes\n")
    values = openssh.effective([*certificate_index.STRICT, "web1"], path)
    assert (values["stricthostkeychecking"], values["verifyhostkeydns"]) == ("true", "false")


@pytest.mark.parametrize(
    ("own", "words", "files"),
    [
        ("GlobalKnownHostsFile /var/lib/known /etc/more\n", [], "/var/lib/known /etc/more "),
        ("GlobalKnownHostsFile none\n", [], ""),
        ("", ["-o", "GlobalKnownHostsFile=/typed"], "/typed "),
    ],
)
def test_our_lines_count_beside_the_system_wide_files_of_anybodys_choice(
    tmp_path: Path, own: str, words: list[str], files: str
) -> None:
    assert said(tmp_path, own, [*words, "web1"])["globalknownhostsfile"] == f"{files}{tmp_path / 'web1.known'}"


@pytest.mark.parametrize(
    ("words", "typed"),
    [
        (["-F", "a", "alpha", "cat", "data"], ["-F", "{}", "alpha", "cat", "data"]),
        (["-4Fa", "a", "-F", "a"], ["-4F{}", "a", "-F", "{}"]),
        (["-Fa", "-l", "a", "alpha", "cat", "a"], ["-F{}", "-l", "a", "alpha", "cat", "a"]),
    ],
)
def test_only_the_file_that_f_names_is_another(words: list[str], typed: list[str], tmp_path: Path) -> None:
    args = connection_args.read(words)
    sshconfig.keep_typed(args, b"Host *\n", tmp_path)
    assert Path(args.config).read_bytes() == b"Host *\n"
    assert args.typed == [word.format(args.config) for word in typed]
