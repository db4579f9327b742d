"""What the operator reads of the keys, by the command itself."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from sshjit import ca_protocol as m
from sshjit_ca.cli import commands as cli
from sshjit_ca.cli import keys as cli_keys
from tests.support.installation import Installation
from tests.support.keyring import activate, add, newest, retire


@pytest.mark.parametrize("place", range(4))
def test_the_settings_may_be_named_before_and_after_a_command(
    ca: Installation, place: int, capsys: pytest.CaptureFixture[str]
) -> None:
    named, words = ["--config", str(ca.home / "ca.toml")], ["log", "key"]
    words[place:place] = named
    before = ["--config", "/nowhere/ca.toml"] if place == 3 else []
    assert cli.run([*before, *words], Path("/nowhere/default.toml")) == 0
    assert capsys.readouterr().out.strip()


def test_the_list_says_what_each_key_waits_for(ca: Installation) -> None:
    first = ca.context.keys.public("user_ca").fingerprint
    told = add(ca, "user_ca", "rsa-3072")
    newest(ca)
    ca.later(3600)
    activate(ca, told)
    untold = add(ca, "host_ca")
    activate(ca, add(ca, "bundle"))
    reply = ca.say(m.ReadKeys(), m.KeysReply, "admin")
    lines = {line.split()[2]: line for line in cli_keys.listing(reply).splitlines()}
    assert lines[first].endswith("may be retired")
    assert " active " in lines[told.fingerprint]
    assert " ssh-rsa " in lines[told.fingerprint]
    assert lines[untold.fingerprint].endswith("no bundle names it yet")
    newest(ca)
    again = cli_keys.listing(ca.say(m.ReadKeys(), m.KeysReply, "admin"))
    assert "can be activated from 2027-01-15 10:00:00 UTC on" in again
    broken = dataclasses.replace(reply.keys[0], problem="the device is away")
    assert "CANNOT SIGN: the device is away" in cli_keys.listing(m.KeysReply((broken,)))


def test_each_step_says_what_follows(ca: Installation) -> None:
    old = ca.context.keys.public("user_ca").fingerprint
    new = add(ca, "user_ca")
    assert f"ssh-jit-ca keys activate user_ca {new.fingerprint}" in cli_keys.added(m.KeyReply(new))
    assert "until it is retired" in cli_keys.activated(m.KeyReply(activate(ca, new, now=True)))
    over = cli_keys.retired(m.KeyReply(retire(ca, "user_ca", old, now=True)))
    assert "Hosts refuse it" in over
    assert over.endswith(f"no longer needed: file:{ca.config.key_file('user_ca')}")
    root = activate(ca, add(ca, "bundle"))
    assert f"pin {root.fingerprint}" in cli_keys.activated(m.KeyReply(root))


def test_help_explains_states_and_references(ca: Installation, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.run(["keys", "--help"], ca.home / "ca.toml")
    said = capsys.readouterr().out
    for word in ("pending", "retiring", "agent:SHA256:", "pkcs11:token=", "passphrase="):
        assert word in said
