"""``ssh-jit passkey``: the page makes one, the terminal shows and signs it, others accept it, its owner removes it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from sshjit import ca_protocol as m
from tests.support import soft_authenticator as soft
from tests.support.client_server import ALICE, ClientServer
from tests.support.in_process_ca import named
from tests.support.installation import BOB, Person
from tests.support.soft_authenticator import Authenticator
from tests.support.waiting import wait_until
from tests.unit.client.conftest import Laptop, machine

LEADS = ('unlock = ["lead"]', 'unlock = ["lead"]\npasskeys = ["lead"]')


@pytest.fixture
def bea(tmp_path: Path, server: ClientServer) -> Laptop:
    """Bea's machine, set up; she leads as well."""
    bea = machine(tmp_path / "bea", "bea")
    bea.set_up(server)
    return bea


def make(server: ClientServer, person: Person, device: Authenticator, running: subprocess.Popen[str]) -> m.MadePasskey:
    """The page of the code that a running ``ssh-jit passkey add`` prints."""
    assert running.stderr is not None
    address = next(line for line in running.stderr if "/passkeys/new?code=" in line)
    code = address.strip().rpartition("code=")[2]
    web = server.sign_in(person)
    options = server.say(m.ReadPasskeyOptions(web, code), m.PasskeyOptionsReply)
    client, data = device.made(options.challenge)
    made = server.say(m.MakePasskey(web, code, client, data), m.PasskeyOfferReply).made
    assert made is not None
    return made


def test_a_passkey_is_shown_signed_for_listed_accepted_and_removed(
    bob: Laptop, bea: Laptop, server: ClientServer
) -> None:
    ca = server.front.ca
    ca.change_policy(*LEADS)
    running = bob.start("passkey", "add", "--name", "phone", "--yes", "--no-browser")
    made = make(server, BOB, Authenticator(), running)
    _, said = running.communicate(timeout=20)
    assert running.returncode == 0, said
    assert (
        f'the passkey "phone" for {soft.RP_ID} may be synced to other devices; its fingerprint: {made.fingerprint}'
        in said
    )
    (passkey,) = ca.context.state.passkeys.values()
    assert f"registered: {passkey.id}; approvals by it count from" in said
    (listed,) = json.loads(bob.run("passkey", "list", "--json").stdout)["passkeys"]
    assert (listed["name"], listed["fingerprint"]) == ("phone", made.fingerprint)
    assert made.fingerprint in bob.run("passkey").stdout
    own = bob.run("passkey", "accept", passkey.id, "--yes")
    assert (own.returncode, "a passkey of your own" in own.stderr) == (4, True)
    done = bea.run("passkey", "accept", passkey.id[:16], "--yes")
    assert done.returncode == 0, done.stderr
    assert made.fingerprint in done.stderr
    assert ca.context.state.passkeys[passkey.id].counts_from <= ca.time
    assert bea.run("passkey", "remove", passkey.id).returncode == 2
    assert bob.run("passkey", "remove", passkey.id, "--reason", "lost").returncode == 0
    assert ca.context.state.passkeys == {}
    assert "no passkey is registered" in bob.run("passkey").stderr


def test_a_server_that_names_another_fingerprint_is_not_believed(
    bob: Laptop, server: ClientServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sshjit.passkeys.fingerprint", lambda *_: "aaaa-bbbb-cccc-dddd")
    running = bob.start("passkey", "add", "--yes", "--no-browser")
    make(server, BOB, Authenticator(), running)
    _, said = running.communicate(timeout=20)
    assert (running.returncode, server.front.ca.context.state.passkeys) == (8, {})
    assert "fingerprint is not that of the passkey" in said


def test_an_approval_by_a_passkey_is_shown_as_one(bob: Laptop, server: ClientServer) -> None:
    ca = server.front.ca
    ca.change_policy('{ from = "lead", count = 1 }', '{ from = "lead", count = 1, signed = "passkey" }')
    device = Authenticator()
    soft.registered(ca, named(BOB), device)
    request = ca.ask(ca.native(named(ALICE)), "db1").request
    shown = bob.run("show", request.id).stdout
    assert "1 of lead, signed (a passkey counts)" in shown
    ca.say(soft.approval(ca, server.sign_in(BOB), request, device), m.RequestReply)
    wait_until(lambda: server.state(request.id) == "approved")
    assert "signed by a synced passkey" in bob.run("show", request.id).stdout
