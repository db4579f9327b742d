"""Witnesses: they sign what continues what they signed; a log that is older or another than theirs is found out."""

from __future__ import annotations

import base64
import contextlib
import itertools
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sshjit import ca_protocol as m
from sshjit import checkpoint, tlogproof
from sshjit.errors import Failed, Invalid
from sshjit_ca import config
from sshjit_ca.keys import succession
from sshjit_ca.machine.clock import Clock, Kept
from sshjit_ca.operations import restore
from sshjit_ca.service import standby
from sshjit_ca.witness import standing, witnesses
from sshjit_ca.witness.submission import Head
from sshjit_ca.witness.witnesses import Witnesses
from tests.support.installation import ALICE, DANA, Installation
from tests.support.witness import Reply, TestWitness, serving


@pytest.fixture
def witness(ca: Installation) -> Iterator[TestWitness]:
    """One witness, which the CA knows."""
    with serving(TestWitness(succession.raw(ca.context.keys.public("log")))) as served:
        ca.config = replace(ca.config, witnesses=(served.address,))
        ca.restart()
        yield served


class Time:
    """A monotonic clock that the test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def ask(ca: Installation, at: float = 0.0) -> str:
    """Asks all witnesses once; the first one's problem, or nothing."""
    clock = Time()
    clock.now = at
    head = Head.of(ca.context.journal)
    assert head is not None
    ca.context.witnesses.ask(head, ca.store, clock)
    problem = ca.context.witnesses.followers[0].problem
    return "" if problem is None else f"{problem.code}: {problem.message}"


def write(ca: Installation, entries: int) -> None:
    """Makes the log longer."""
    size = ca.context.journal.durable
    while ca.context.journal.durable < size + entries:
        ca.say(m.Logout(ca.native(DANA)), m.Done)


def test_it_signs_each_new_head_from_where_it_stands(ca: Installation, witness: TestWitness) -> None:
    """Over the edge of a tile, and from inside one."""
    sizes = [0, witness.size]
    for more in (3, 120, 150, 1, 260):
        write(ca, more)
        assert ask(ca) == ""
        sizes.append(ca.context.journal.durable)
        assert witness.size == sizes[-1]
    assert witness.asked == sizes[:-1]
    note = ca.say(m.ReadCosigned(), m.CosignedReply).note
    assert note.startswith(ca.context.journal.checkpoint)
    point = succession.verified(note, witness.log_key)
    assert standing.verified(note, witness.public, point).time > 1_700_000_000


def test_it_is_not_asked_again_about_what_it_signed(ca: Installation, witness: TestWitness) -> None:
    write(ca, 3)
    asked = len(witness.asked)
    assert (ask(ca), ask(ca)) == ("", "")
    assert len(witness.asked) == asked + 1


def test_where_it_stands_is_known_after_a_restart(ca: Installation, witness: TestWitness) -> None:
    write(ca, 3)
    assert ask(ca) == ""
    again = Witnesses.of(ca.config.home, [witness.address])
    assert again.newest == ca.context.witnesses.newest != ""
    assert again.followers[0].size == witness.size


@pytest.mark.parametrize("kept", [b"", b"rubbish", b"\xff", b"test/ssh-jit\n3\nAAAA\n\n", None])
def test_without_what_was_kept_the_witness_says_where_it_stands(
    ca: Installation, witness: TestWitness, kept: bytes | None
) -> None:
    write(ca, 3)
    assert ask(ca) == ""
    (file,) = (ca.config.home / "witnesses").iterdir()
    file.unlink() if kept is None else file.write_bytes(kept)
    ca.context.witnesses = Witnesses.of(ca.config.home, [witness.address])
    assert ca.say(m.ReadCosigned(), m.CosignedReply).note == ""
    write(ca, 3)
    there = witness.size
    witness.asked.clear()
    assert ask(ca) == ""
    assert witness.asked == [0, there]
    assert witness.size == ca.context.journal.durable


def test_what_was_kept_counts_only_with_its_signature(ca: Installation, witness: TestWitness) -> None:
    write(ca, 3)
    assert ask(ca) == ""
    (file,) = (ca.config.home / "witnesses").iterdir()
    text = file.read_text()
    line = text.splitlines()[-1]
    raw = bytearray(base64.b64decode(line.split(" ")[2]))
    raw[20] ^= 1
    file.write_text(text.replace(line.split(" ")[2], base64.b64encode(bytes(raw)).decode()))
    assert Witnesses.of(ca.config.home, [witness.address]).newest == ""


OTHER = Ed25519PrivateKey.generate()


BY_OTHER = TestWitness(b"", key=OTHER).line(checkpoint.Checkpoint("test/ssh-jit", 9, bytes(32))).encode()


@pytest.mark.parametrize(
    ("lie", "problem"),
    [
        ((200, "text/plain", b""), "witness_refused: the witness {}: there is no cosignature"),
        ((200, "text/html", b"<p>hello"), "witness_refused: the witness {}: there is no cosignature"),
        ((200, "text/plain", BY_OTHER), "witness_refused: the witness {}: there is no cosignature"),
        ((200, "text/plain", b"\xff"), "witness_down: the witness {}: its answer is not text"),
        ((200, "text/plain", b"x" * 20_000), "witness_down: the witness {}: its answer has more than"),
        ((302, "text/plain", b""), "witness_refused: the witness {} refuses: it answers 302"),
        ((404, "text/plain", b""), "witness_refused: the witness {} refuses: it does not know this log"),
        ((403, "text/plain", b""), "witness_refused: the witness {} refuses: it does not know the key"),
        ((500, "text/plain", b""), "witness_refused: the witness {} refuses: it answers 500"),
        ((409, "text/plain", b"many"), "witness_refused: the witness {} refuses: the witness does not"),
        ((409, "text/plain", b"1\n"), "witness_refused: the witness {} does not stand where it says"),
        ((409, "text/plain", b"999999\n"), "witness_ahead: the witness {} signed this log with 999999"),
        ((422, "text/plain", b""), "log_forked: the witness {} signed another log under this name"),
    ],
)
def test_an_answer_that_is_no_signature_is_told_and_stops_nothing(
    ca: Installation, witness: TestWitness, lie: Reply, problem: str
) -> None:
    before = ca.say(m.ReadCosigned(), m.CosignedReply).note
    write(ca, 3)
    witness.lie = lie
    assert ask(ca).startswith(problem.format(witness.name))
    assert ca.say(m.ReadCosigned(), m.CosignedReply).note == before
    (view,) = ca.say(m.Status(), m.StatusReply, "admin").witnesses
    assert (view.name, view.size) == (witness.name, checkpoint.size_of(before))
    assert view.problem
    assert ca.ask(ca.native(ALICE), "web1").certificate is not None


def test_a_signature_over_another_head_is_none(ca: Installation, witness: TestWitness) -> None:
    write(ca, 3)
    point = checkpoint.Checkpoint("test/ssh-jit", ca.context.journal.durable, bytes(32))
    witness.lie = (200, "text/plain", witness.line(point).encode())
    assert "its cosignature is not by its key over this checkpoint" in ask(ca)


def test_one_that_is_away_is_asked_more_and_more_seldom_and_at_once_when_it_answers(
    ca: Installation, witness: TestWitness
) -> None:
    write(ca, 3)
    head = Head.of(ca.context.journal)
    assert head is not None
    witness.lie = (500, "text/plain", b"")
    asked = []
    for second in range(2_000):
        if ca.context.witnesses.followers[0].due(head, float(second)):
            ask(ca, float(second))
            asked.append(second)
    pauses = [later - earlier for earlier, later in itertools.pairwise(asked)]
    assert pauses[:4] == [5, 10, 20, 40]
    assert set(pauses[7:]) == {int(witnesses.SLOWEST)}
    witness.lie = None
    assert ask(ca, 5_000.0) == ""


def test_the_newest_checkpoint_that_one_signed_is_shown_with_the_lines_of_all_that_did(
    ca: Installation, witness: TestWitness
) -> None:
    with contextlib.ExitStack() as stack:
        two, three = (
            stack.enter_context(serving(TestWitness(witness.log_key, f"witness.example.org/{name}")))
            for name in ("two", "three")
        )
        ca.config = replace(ca.config, witnesses=(witness.address, two.address, three.address))
        ca.restart()
        two.lie = (500, "text/plain", b"")
        write(ca, 3)
        ask(ca)
        note = ca.say(m.ReadCosigned(), m.CosignedReply).note
        point = succession.verified(note, witness.log_key)
        assert point.size == ca.context.journal.durable
        assert standing.verified(note, witness.public, point)
        assert standing.verified(note, three.public, point)
        with pytest.raises(Invalid, match="no cosignature"):
            standing.verified(note, two.public, point)
        two.lie = None
        ask(ca, time.monotonic() + witnesses.SLOWEST)
        note = ca.say(m.ReadCosigned(), m.CosignedReply).note
        assert standing.verified(note, two.public, point)


def _copied(ca: Installation) -> Path:
    """A copy of everything that the CA has: home and database."""
    copy = ca.home / "copy"
    ca.stop()
    shutil.copytree(ca.config.home, copy)
    ca.start()
    return copy


def _put_back(ca: Installation, copy: Path) -> None:
    ca.stop()
    shutil.rmtree(ca.config.home)
    shutil.copytree(copy, ca.config.home)


def test_an_older_copy_of_the_whole_machine_is_found_out_before_anything_is_written(
    ca: Installation, witness: TestWitness
) -> None:
    """Home and database together, so that nothing here remembers what was."""
    write(ca, 3)
    copy = _copied(ca)
    write(ca, 40)
    assert ask(ca) == ""
    _put_back(ca, copy)
    before = (ca.config.home / "ca.db").read_bytes()
    with pytest.raises(Failed, match=f"the witness {witness.name} signed this log with") as found:
        ca.start()
    assert (found.value.code, "restore --accept-loss" in found.value.hint) == ("log_rolled_back", True)
    ca.stop()
    assert (ca.config.home / "ca.db").read_bytes() == before


def test_a_witness_that_is_away_keeps_no_ca_from_starting(ca: Installation, witness: TestWitness) -> None:
    write(ca, 3)
    witness.lie = (500, "text/plain", b"")
    ca.restart()
    assert ca.ask(ca.native(ALICE), "web1").certificate is not None


def test_who_went_on_with_an_older_copy_on_purpose_may_start(ca: Installation, witness: TestWitness) -> None:
    """The log says so itself; the witness goes on saying that it knows another one."""
    write(ca, 3)
    copy = _copied(ca)
    write(ca, 40)
    assert ask(ca) == ""
    _put_back(ca, copy)
    clock = Clock(lambda: ca.time, lambda: ca.boot, Kept(ca.home / "ca" / "clock", "this-start"))
    restore.restore(ca.config, ca.places, clock, standby.Time(time.monotonic, lambda _: None), "the disk died")
    ca.start()
    assert "witness_ahead" in ask(ca, 10.0**9)
    write(ca, 60)
    assert "log_forked" in ask(ca, 10.0**10)
    ca.restart()
    assert ca.ask(ca.native(ALICE), "web1").certificate is not None


def test_a_proof_can_be_had_under_what_witnesses_signed(ca: Installation, witness: TestWitness) -> None:
    """And only for what they have signed already."""
    first = ca.ask(ca.native(ALICE), "web1").certificate
    assert first is not None
    assert ask(ca) == ""
    second = ca.ask(ca.native(ALICE), "web1").certificate
    assert second is not None
    proof = tlogproof.parse(ca.say(m.ReadProof(first.serial, cosigned=True), m.ProofReply, "admin").proof)
    head = succession.verified(proof.note, witness.log_key)
    assert standing.verified(proof.note, witness.public, head).signature
    with pytest.raises(Invalid, match="witnesses have not signed so far yet"):
        ca.say(m.ReadProof(second.serial, cosigned=True), m.ProofReply, "admin")
    assert ca.say(m.ReadProof(second.serial), m.ProofReply, "admin").proof


def test_without_witnesses_there_is_no_such_proof(ca: Installation) -> None:
    certificate = ca.ask(ca.native(ALICE), "web1").certificate
    assert certificate is not None
    with pytest.raises(Invalid, match="no witness has signed this log yet") as none:
        ca.say(m.ReadProof(certificate.serial, cosigned=True), m.ProofReply, "admin")
    assert none.value.code == "not_cosigned"
    assert ca.say(m.ReadCosigned(), m.CosignedReply).note == ""


def _configured(ca: Installation, text: str) -> config.Config:
    file = ca.home / "witnesses.toml"
    file.write_text((ca.home / "ca.toml").read_text() + text)
    file.chmod(0o600)
    return config.load(file)


KEY = TestWitness(b"", key=OTHER).public.verifier_key


def test_the_configuration_names_address_and_key(ca: Installation) -> None:
    loaded = _configured(ca, f'[[witness]]\nurl = "https://witness.example.org/log"\nkey = "{KEY}"\n')
    (address,) = loaded.witnesses
    assert address.url == "https://witness.example.org/log/"
    assert address.witness.verifier_key == KEY


@pytest.mark.parametrize(
    ("table", "why"),
    [
        (f'url = "http://witness.example.org"\nkey = "{KEY}"', "must begin with https://"),
        (f'url = "https://witness.example.org/?a=b"\nkey = "{KEY}"', "has more than a path"),
        ('url = "https://witness.example.org"\nkey = "witness.example.org"', "not the key of a witness"),
        (f'url = "https://witness.example.org"\nkey = "{KEY[:-4]}AAA="', "not the key of a witness"),
        (
            'url = "https://witness.example.org"\nkey = "'
            + checkpoint.verifier_key("witness.example.org", bytes(32))
            + '"',
            "not the key of a witness",
        ),
        (
            f'url = "https://a.example"\nkey = "{KEY}"\n[[witness]]\nurl = "https://b.example"\nkey = "{KEY}"',
            "same key",
        ),
        (f'url = "https://a.example"\nkeys = "{KEY}"', "unknown key"),
    ],
)
def test_what_is_wrong_with_it_is_said(ca: Installation, table: str, why: str) -> None:
    with pytest.raises(Invalid, match=why) as wrong:
        _configured(ca, f"[[witness]]\n{table}\n")
    assert wrong.value.code == "bad_config"
