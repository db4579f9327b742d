"""litewitness, a C2SP tlog-witness that nobody here wrote, signs a real log's heads, and finds an older copy out."""

from __future__ import annotations

import base64
import itertools
import re
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from sshjit import ca_protocol as m
from sshjit import checkpoint, cosignature, tlogproof
from sshjit.errors import Failed
from sshjit_ca.config import WitnessAddress
from sshjit_ca.keys import succession
from sshjit_ca.witness import standing
from sshjit_ca.witness.submission import Head
from tests.support.installation import ALICE, DANA, Installation
from tests.support.issuer import serving
from tests.support.waiting import wait_until
from tests.witnesses.install import HOME

NAME = "witness.example.org/lite"
_LATER = itertools.count(1_000, 1_000)
"""Seconds that pass between two questions, so that none comes too early after a failure."""


@dataclass
class Litewitness:
    """One that runs, at ``port``, with its key in an ssh-agent."""

    folder: Path
    port: int
    key: cosignature.Witness

    def admit(self, origin: str, key: str) -> None:
        """Makes a log known to it, with the key of its checkpoints."""
        database = str(self.folder / "litewitness.db")
        for command in (
            ["add-log", "-db", database, "-origin", origin],
            ["add-key", "-db", database, "-origin", origin, "-key", key],
        ):
            subprocess.run([HOME / "witnessctl", *command], check=True, capture_output=True)


@contextmanager
def litewitness(folder: Path) -> Iterator[Litewitness]:
    """The program, until the block ends."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "key"], check=True)
    public = base64.b64decode((folder / "key.pub").read_text().split()[1])[-32:]
    fingerprint = subprocess.run(["ssh-keygen", "-lf", folder / "key.pub"], check=True, capture_output=True, text=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with ExitStack() as stack:
        agent = stack.enter_context(
            subprocess.Popen(["ssh-agent", "-D", "-a", folder / "agent"], stdout=subprocess.DEVNULL)
        )
        stack.callback(agent.kill)
        wait_until((folder / "agent").exists, "the agent did not start")
        environment = {"SSH_AUTH_SOCK": str(folder / "agent"), "PATH": "/usr/bin:/bin"}
        subprocess.run(["ssh-add", "-q", folder / "key"], check=True, env=environment)
        command: list[str | Path] = [HOME / "litewitness", "-db", folder / "litewitness.db", "-name", NAME]
        command += [
            "-key",
            fingerprint.stdout.split()[1],
            "-ssh-agent",
            folder / "agent",
            "-listen",
            f"127.0.0.1:{port}",
        ]
        log = stack.enter_context((folder / "log").open("wb"))
        process = stack.enter_context(subprocess.Popen(command, stdout=log, stderr=log))
        stack.callback(process.kill)

        def answers() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        wait_until(answers, "litewitness did not start")
        yield Litewitness(folder, port, cosignature.Witness(NAME, public))


@pytest.fixture
def ca(tmp_path: Path) -> Iterator[Installation]:
    """A CA with an empty log."""
    with ExitStack() as stack:
        home = tmp_path / "installation"
        home.mkdir()
        made = Installation(home, {name: stack.enter_context(serving()) for name in ("acme", "partner")})
        made.add_host("web1", env="staging")
        yield made
        made.stop()


@pytest.fixture
def witness(tmp_path: Path, ca: Installation) -> Iterator[Litewitness]:
    """litewitness, which knows the CA's log, and is known by it."""
    folder = tmp_path / "witness"
    folder.mkdir()
    with litewitness(folder) as running:
        running.admit(ca.config.origin, checkpoint.verifier_key(ca.config.origin, _log_key(ca)))
        ca.config = replace(ca.config, witnesses=(WitnessAddress(running.key, f"http://127.0.0.1:{running.port}/"),))
        ca.restart()
        yield running


def _log_key(ca: Installation) -> bytes:
    return succession.raw(ca.context.keys.public("log"))


def _ask(ca: Installation) -> str:
    head = Head.of(ca.context.journal)
    assert head is not None
    ca.context.witnesses.ask(head, ca.store, lambda: time.monotonic() + next(_LATER))
    problem = ca.context.witnesses.followers[0].problem
    return "" if problem is None else f"{problem.code}: {problem.message}"


def _write(ca: Installation, entries: int) -> None:
    size = ca.context.journal.durable
    while ca.context.journal.durable < size + entries:
        ca.say(m.Logout(ca.native(DANA)), m.Done)


def test_it_knows_the_key_by_the_name_that_we_write_for_it(ca: Installation, witness: Litewitness) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{witness.port}/") as page:
        text = page.read().decode()
    assert witness.key.verifier_key in re.sub(r"&#43;", "+", text)
    assert cosignature.parse_verifier_key(witness.key.verifier_key) == witness.key


def test_it_signs_as_the_log_grows_across_tiles(ca: Installation, witness: Litewitness) -> None:
    for more in (1, 3, 200, 60, 256, 2):
        _write(ca, more)
        assert _ask(ca) == ""
        note = ca.say(m.ReadCosigned(), m.CosignedReply).note
        point = succession.verified(note, _log_key(ca))
        assert point.size == ca.context.journal.durable
        assert standing.verified(note, witness.key, point).time > 1_700_000_000


def test_a_certificate_is_proved_under_what_it_signed(ca: Installation, witness: Litewitness) -> None:
    certificate = ca.ask(ca.native(ALICE), "web1").certificate
    assert certificate is not None
    _write(ca, 300)
    assert _ask(ca) == ""
    proof = tlogproof.parse(ca.say(m.ReadProof(certificate.serial, cosigned=True), m.ProofReply, "admin").proof)
    assert standing.verified(proof.note, witness.key, succession.verified(proof.note, _log_key(ca)))


def test_it_knows_that_this_is_an_older_copy(ca: Installation, witness: Litewitness) -> None:
    _write(ca, 5)
    ca.stop()
    shutil.copytree(ca.config.home, ca.home / "copy")
    ca.start()
    _write(ca, 40)
    assert _ask(ca) == ""
    ca.stop()
    shutil.rmtree(ca.config.home)
    shutil.copytree(ca.home / "copy", ca.config.home)
    with pytest.raises(Failed, match=f"the witness {NAME} signed this log with") as found:
        ca.start()
    assert found.value.code == "log_rolled_back"


def test_it_refuses_another_log_under_this_name(ca: Installation, witness: Litewitness) -> None:
    """The same keys and an older copy, which went on differently and is longer by now."""
    _write(ca, 5)
    ca.stop()
    shutil.copytree(ca.config.home, ca.home / "copy")
    ca.start()
    _write(ca, 20)
    assert _ask(ca) == ""
    ca.stop()
    shutil.rmtree(ca.config.home)
    shutil.copytree(ca.home / "copy", ca.config.home)
    known, ca.config = ca.config, replace(ca.config, witnesses=())
    ca.start()
    _write(ca, 60)
    ca.stop()
    ca.config = known
    ca.start()
    assert _ask(ca).startswith("log_forked: ")


def test_a_log_that_it_does_not_know_is_said(ca: Installation, tmp_path: Path) -> None:
    folder = tmp_path / "stranger"
    folder.mkdir()
    with litewitness(folder) as running:
        ca.config = replace(ca.config, witnesses=(WitnessAddress(running.key, f"http://127.0.0.1:{running.port}/"),))
        ca.restart()
        assert "refuses: it does not know this log" in _ask(ca)
        running.admit(ca.config.origin, checkpoint.verifier_key(ca.config.origin, bytes(32)))
        assert "refuses: it does not know the key that signs this log's checkpoints" in _ask(ca)
