"""What ``ssh-jit-host doctor`` finds: which line keeps certificates out of an account, and what else lets people in."""

from __future__ import annotations

import dataclasses
import json
import os
import pwd
import threading

import pytest

from sshjit_host import config as configuration
from sshjit_host.doctor import Examination
from sshjit_host.times import span
from tests.support.host_machine import ME, Authority, Front, Host, run


@pytest.fixture
def joined(authority: Authority, front: Front, host: Host) -> Host:
    """A host whose sshd goes by the bundle."""
    front.serve(authority.offer())
    host.refresh()
    return host


def test_all_is_well(joined: Host) -> None:
    said = joined.doctor()
    assert "BAD" not in said
    assert f"ok    sshd goes by {joined.dropin}" in said
    assert f"ok    a certificate opens {ME}" in said


def test_an_account_that_answers_to_another_spelling_is_told_where_we_closed_something(
    joined: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As SSSD answers for Active Directory: capitals are the same account, and fit no ``Match User``."""
    joined.settings["jump_login"] = "daemon"
    joined.refresh()
    config = configuration.load(joined.folder / "host.json")
    assert not [each for each in Examination(config, 0).findings() if "too, and by that name" in each.text]
    exact = pwd.getpwnam
    monkeypatch.setattr(pwd, "getpwnam", lambda name: exact(name.lower()))
    told = [each for each in Examination(config, 0).findings() if "too, and by that name" in each.text]
    assert [(each.level, each.text.partition(" too")[0]) for each in told] == [
        ("bad", "the name service knows daemon as DAEMON")
    ]
    closed = dataclasses.replace(config, jump_login="", only_certificates=True)
    (said,) = [each for each in Examination(closed, 0).findings() if "too, and by that name" in each.text]
    assert f"knows {ME} as {ME.upper()} too" in said.text


SHUT = {
    "PubkeyAuthentication no": "PubkeyAuthentication no, which keeps every certificate out of {me}",
    "AuthenticationMethods publickey,publickey": "which asks for more than a certificate",
    "AllowUsers somebody-else": "AllowUsers somebody-else, which does not name {me}",
    "DenyUsers {me}": "DenyUsers {me}, which keeps everybody out of {me}",
    "AllowGroups no-such-group": "AllowGroups no-such-group, which names no group of {me}",
    "DenyGroups *": "DenyGroups *, which keeps everybody out of {me}",
    "PubkeyAcceptedAlgorithms ssh-ed25519": "which does not accept Ed25519 certificates",
    "CASignatureAlgorithms rsa-sha2-512": "which refuses what the CA's ssh-ed25519 key signs",
}


@pytest.mark.parametrize("line", SHUT)
@pytest.mark.parametrize("where", ["everywhere", "for one port"])
def test_a_line_that_shuts_an_account_is_named_with_what_to_write(
    line: str, where: str, authority: Authority, joined: Host
) -> None:
    setting = line.format(me=ME)
    before = "" if where == "everywhere" else f"Match LocalPort {joined.port}\n"
    joined.write_sshd_config(after=f"{before}{setting}\n")
    said = joined.doctor(code=1)
    number = joined.sshd_config.read_text().splitlines().index(setting) + 1
    (bad,) = (said_line for said_line in said.split("\n") if said_line.startswith("BAD"))
    assert bad.startswith(f"BAD   {joined.sshd_config}:{number} sets {line.split(maxsplit=1)[0]} ")
    assert SHUT[line].format(me=ME) in bad
    found = [finding for finding in json.loads(joined.doctor("--json", code=1)) if finding["level"] == "bad"]
    assert all(finding["hint"] for finding in found)
    if where == "everywhere":
        with joined.sshd():
            assert joined.login(authority.certificate(f"{ME}@web1", 5)) == 255, "what it says is so"


@pytest.mark.parametrize(
    "line",
    ["AllowUsers {me} other", "AllowUsers {me}@10.0.0.1", "AuthenticationMethods publickey", "DenyUsers other"],
)
def test_a_line_that_lets_the_account_in_is_no_finding(line: str, joined: Host) -> None:
    joined.write_sshd_config(after=line.format(me=ME))
    assert "BAD" not in joined.doctor()


def test_a_key_that_outlives_every_grant_is_told(joined: Host) -> None:
    keys = joined.folder / "authorized"
    keys.write_text("# none yet\n")
    text = joined.sshd_config.read_text().replace("AuthorizedKeysFile none", f"AuthorizedKeysFile {keys}")
    joined.sshd_config.write_text(text)
    assert "lets its keys in" not in joined.doctor()
    keys.write_text("ssh-ed25519 AAAA\n")
    assert f"WARN  {keys} lets its keys into {ME} whatever becomes of a grant" in joined.doctor()


def test_an_account_cannot_hold_up_or_fill_the_doctor_by_its_own_file_of_keys(joined: Host) -> None:
    """The file is the account's: a pipe that nobody writes into, or a file without an end."""
    keys = joined.folder / "authorized"
    text = joined.sshd_config.read_text().replace("AuthorizedKeysFile none", f"AuthorizedKeysFile {keys}")
    joined.sshd_config.write_text(text)
    os.mkfifo(keys)
    until = threading.Timer(30, lambda: os.close(os.open(keys, os.O_RDWR | os.O_NONBLOCK)))
    until.start()
    assert "BAD" not in joined.doctor()
    assert until.is_alive(), "it waited for somebody who writes"
    until.cancel()
    keys.unlink()
    keys.symlink_to("/dev/zero")
    assert "lets its keys in" not in joined.doctor()
    keys.unlink()
    with keys.open("wb") as file:
        file.write(b"ssh-ed25519 AAAA\n")
        file.truncate(1 << 40)
    assert f"WARN  {keys} lets its keys in" in joined.doctor()


def test_a_broken_configuration_and_a_missing_drop_in_are_findings(joined: Host) -> None:
    joined.dropin.unlink()
    assert f"BAD   {joined.dropin} is not there" in joined.doctor(code=1)
    joined.write_sshd_config(after="NoSuchKeyword yes")
    assert "BAD   sshd refuses its configuration" in joined.doctor(code=1)


def test_an_sshd_that_says_no_is_one_finding(joined: Host) -> None:
    joined.write_sshd_config(after="NoSuchKeyword yes")
    said = joined.doctor(code=1)
    assert said.count("BAD") == 1, said
    real = joined.settings["sshd"]
    joined.settings["sshd"] = "/nowhere/sshd"
    assert joined.doctor(code=1).count("BAD   cannot run /nowhere/sshd") == 1
    broken = joined.folder / "broken-sshd"
    broken.write_text("#!/bin/sh\necho 'Missing privilege separation directory: /run/sshd'\nexit 255\n")
    broken.chmod(0o755)
    joined.settings["sshd"] = str(broken)
    said = joined.doctor(code=1)
    assert said.count("BAD") == 1, said
    assert "BAD   sshd does not start: Missing privilege separation directory: /run/sshd" in said
    assert "sshd does not start: Missing" in joined.refresh(code=5)
    joined.settings["sshd"] = real
    joined.write_sshd_config()
    assert "BAD" not in joined.doctor()


def test_the_settings_may_be_named_before_and_after_the_command(joined: Host) -> None:
    command = joined.command("doctor", "--json")
    at = command.index("--config")
    path = command[at + 1]
    after = [*command[:at], "doctor", "--json", "--config", path]
    nowhere = [*command[:at], "--config", "/nowhere/host.json", "doctor", "--json", "--config", path]
    for words in (command, after, nowhere):  # what is named last counts
        assert all(finding["level"] != "bad" for finding in json.loads(run(*words)))


def test_a_host_without_a_bundle(host: Host) -> None:
    assert "BAD   this host holds no bundle" in host.doctor(code=1)


def test_an_account_that_is_not_there_or_has_no_shell(joined: Host) -> None:
    joined.settings["logins"] = [ME, "no-such-account"]
    assert "BAD   there is no account no-such-account" in joined.doctor(code=1)


def test_spans() -> None:
    assert [span(n) for n in (-5, 0, 90, 119, 120, 7199, 7200, 172_799, 172_800)] == [
        "0 s", "0 s", "90 s", "119 s", "2 min", "119 min", "2 h", "47 h", "2 d",
    ]  # fmt: skip
