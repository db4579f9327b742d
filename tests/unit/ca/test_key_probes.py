"""Whether keys can sign: asked of real agents and a real token, and nobody else is held up by the answer."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sshjit import bundle, login, signed_actions
from sshjit import ca_protocol as m
from sshjit_ca.access import host_statements
from sshjit_ca.cli import show
from sshjit_ca.keys import files, probe, references, sshsig, succession
from sshjit_ca.keys.key_store import KeyStore
from sshjit_ca.keys.locations import KeyLocations
from sshjit_ca.operations import admin_client
from tests.support import devices
from tests.support.ca_sockets import serving_sockets
from tests.support.devices import Token, ssh_key
from tests.support.installation import Installation, make_key
from tests.support.keyring import fp


@contextmanager
def silent(path: Path) -> Iterator[None]:
    """An agent that takes connections and says nothing."""
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        yield
    path.unlink()


def of_agent(ca: Installation, folder: Path, running: devices.Agent) -> str:
    """Adds a key of the agent for user certificates; its fingerprint."""
    running.run(ssh_key(folder / "key", "ed25519"))
    reference = f"agent:{fp((folder / 'key.pub').read_text())}?socket={running.socket}"
    return ca.say(m.AddKey("user_ca", reference, None, None), m.KeyReply, "admin").key.fingerprint


def standing(ca: Installation, fingerprint: str) -> m.KeyStanding:
    (found,) = (key for key in ca.say(m.Status(), m.StatusReply, "admin").keys if key.fingerprint == fingerprint)
    return found


def test_status_names_the_device_that_is_away_and_what_to_do(ca: Installation, tmp_path: Path) -> None:
    with devices.agent(tmp_path / "agent") as running:
        fingerprint = of_agent(ca, tmp_path, running)
        assert standing(ca, fingerprint) == m.KeyStanding(
            "user_ca", fingerprint, "pending", f"the ssh-agent at {running.socket}", "", ""
        )
        running.run("-D")
        emptied = standing(ca, fingerprint)
        assert ("does not hold" in emptied.problem, emptied.hint) == (True, "ssh-add, then try again")
    away = standing(ca, fingerprint)
    assert f"the ssh-agent at {tmp_path}/agent is out of reach" in away.problem
    assert away.hint == "is it running, and not locked?"
    reply = ca.say(m.Status(), m.StatusReply, "admin")
    assert [key.purpose for key in reply.keys if not key.problem] == ["user_ca", "host_ca", "bundle", "log"]
    said = show.status(reply)
    assert f"CANNOT SIGN: {away.problem} (hint: {away.hint})" in said
    assert f"{fingerprint}, pending" in said


def test_a_token_and_a_file_that_are_away_are_named(token: Token, tmp_path: Path) -> None:
    token.add("ecdsa-p256", "ca")
    key_store = KeyStore(KeyLocations())
    path = make_key(tmp_path / "file")
    on_token, in_file = token.reference("ca"), f"file:{path}"
    keys = [(key_store.open(each).public.fingerprint, each) for each in (on_token, in_file)]
    for _ in range(3):
        assert set(probe.probe_all(key_store, keys).values()) == {probe.ProbeResult()}
    token.remove("ca")
    path.unlink()
    of_token, of_file = probe.probe_all(key_store, keys).values()
    assert "the token 'ssh-jit' does not sign: NoSuchKey" in of_token.problem
    assert "lists tokens, -O their objects" in of_token.hint
    assert str(path) in of_file.problem
    assert (references.device(on_token), references.device(in_file)) == ("the token 'ssh-jit'", f"the file {path}")


def test_another_key_in_its_place_is_not_the_key(tmp_path: Path) -> None:
    path = make_key(tmp_path / "file")
    (trial,) = probe.probe_all(KeyStore(KeyLocations()), [("SHA256:" + "A" * 43, f"file:{path}")]).values()
    assert "the log knows SHA256:AAAA" in trial.problem


def test_a_device_that_hangs_holds_up_nobody_but_who_asked(ca: Installation, tmp_path: Path) -> None:
    with devices.agent(tmp_path / "agent") as running:
        fingerprint = of_agent(ca, tmp_path, running)
    ca.restart()  # nothing is open that was opened before
    found: list[m.StatusReply] = []
    with silent(tmp_path / "agent"), serving_sockets(ca, frozenset({0, ca.home.stat().st_uid})):
        asking = threading.Thread(
            target=lambda: found.append(admin_client.call(ca.config.admin_socket, m.Status(), m.StatusReply))
        )
        began = time.monotonic()
        asking.start()
        time.sleep(0.2)
        for _ in range(5):
            assert admin_client.call(ca.config.admin_socket, m.Health(), m.HealthReply).ready
            assert admin_client.call(ca.config.admin_socket, m.ReadBundle(None), m.BundleReply).bundle
        others = time.monotonic() - began
        asking.join(20)
    assert others < probe.PATIENCE
    (away,) = (key for key in found[0].keys if key.fingerprint == fingerprint)
    assert "did not answer within 5 s" in away.problem
    assert time.monotonic() - began < 2 * probe.PATIENCE


def test_what_a_trial_signs_is_worth_nothing_elsewhere(tmp_path: Path) -> None:
    signer = files.load(make_key(tmp_path / "key"))
    (tmp_path / "sig").write_text(sshsig.sign(signer, probe.NAMESPACE, probe.TEXT))
    (tmp_path / "signers").write_text(f"it {signer.public.line}\n")
    taken = {
        bundle.NAMESPACE, bundle.SUCCESSION, login.NAMESPACE,
        signed_actions.ASK_NAMESPACE, signed_actions.APPROVE_NAMESPACE, signed_actions.ACT_NAMESPACE,
        succession.NAMESPACE, host_statements.JOIN_NAMESPACE,
        host_statements.RENEW_NAMESPACE, host_statements.REPORT_NAMESPACE,
        "file", "git",
    }  # fmt: skip
    for namespace in (probe.NAMESPACE, *sorted(taken)):
        command = ("ssh-keygen", "-Y", "verify", "-f", tmp_path / "signers", "-I", "it", "-n", namespace, "-s")
        done = subprocess.run([*command, tmp_path / "sig"], input=probe.TEXT, capture_output=True, check=False)
        assert (done.returncode == 0) is (namespace == probe.NAMESPACE), namespace
