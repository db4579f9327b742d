"""Proofs and tiles of a real log: another reading of the tiles comes to the same head, and no other pair verifies."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sshjit import ca_protocol as m
from sshjit import canonical, checkpoint, merkle, sshcert, tlogproof
from sshjit.errors import Invalid, SshJitError
from sshjit.tlogproof import Proof
from sshjit_ca.keys import succession
from sshjit_ca.operations import offline_signing
from tests.support.installation import ALICE, DANA, Installation, make_key

same_ca = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)


def tile(ca: Installation, name: str) -> bytes:
    return base64.b64decode(ca.say(m.ReadTile(name), m.TileReply).data)


def head(ca: Installation) -> checkpoint.Checkpoint:
    return succession.verified(ca.context.journal.checkpoint, succession.raw(ca.context.keys.public("log")))


def drawn(ca: Installation) -> list[tuple[int, str]]:
    """Serial and digest of two people's certificates."""
    ca.say(m.ReadBundle(None), m.BundleReply)
    found = []
    for person in (ALICE, ALICE):
        view = ca.ask(ca.native(person), "web1").certificate
        assert view is not None
        _, signed, signature = sshcert.parse_line(view.text)
        found.append((view.serial, hashlib.sha256(sshcert.seal(signed, signature)).hexdigest()))
    ca.native(DANA)
    return found


def proof_of(ca: Installation, serial: int) -> str:
    return ca.say(m.ReadProof(serial), m.ProofReply, "admin").proof


def test_an_independent_reading_of_the_tiles_comes_to_the_signed_head(ca: Installation) -> None:
    """RFC 6962 by hand, over what a monitor would fetch: entry bundles of the last tile's width, and leaf hashes."""
    login = ca.native(ALICE)
    for _ in range(90):
        ca.later(1)
        ca.ask(login, "web1")
        ca.say(m.Logout(ca.native(DANA)), m.Done)
    size, root = head(ca).size, head(ca).root
    assert size > 256
    width = size % 256
    raw = tile(ca, "tile/entries/000") + tile(ca, f"tile/entries/001.p/{width}")
    facts = []
    while raw:
        length = int.from_bytes(raw[:2], "big")
        facts.append(raw[2 : 2 + length])
        raw = raw[2 + length :]
    assert facts == [row.entry.fact for row in ca.store.rows()]
    level = [hashlib.sha256(b"\0" + fact).digest() for fact in facts]
    assert b"".join(level) == tile(ca, "tile/0/000") + tile(ca, f"tile/0/001.p/{width}")
    depth = 0
    while len(level) > 1:
        pairs = [level[at : at + 2] for at in range(0, len(level), 2)]
        level = [hashlib.sha256(b"\1" + b"".join(pair)).digest() if len(pair) == 2 else pair[0] for pair in pairs]
        depth += 1
        if depth == 8:
            assert level[0] == tile(ca, "tile/1/000.p/1")
    assert level == [root]


@pytest.mark.parametrize("name", ["tile/0/001", "tile/0/000", "tile/entries/000", "tile/1/000.p/1"])
def test_a_tile_that_is_not_there_is_refused(ca: Installation, name: str) -> None:
    with pytest.raises(Invalid) as missing:
        tile(ca, name)
    assert missing.value.code == "unknown_tile"


def test_t44_a_proof_is_about_its_certificate_and_no_other(ca: Installation) -> None:
    (serial, digest), (other, other_digest) = drawn(ca)
    proof, other_proof = (tlogproof.parse(proof_of(ca, each)) for each in (serial, other))
    tlogproof.check(proof, serial, digest, head(ca))
    tlogproof.check(other_proof, other, other_digest, head(ca))
    forged = Proof(proof.fact.replace(digest.encode(), other_digest.encode()), proof.index, proof.path, proof.note)
    for wrong, number, sha in [
        (proof, other, other_digest),
        (proof, serial, other_digest),
        (proof, serial + 2**40, digest),
        (other_proof, serial, digest),
        (forged, serial, other_digest),
        (Proof(proof.fact, proof.index + 1, proof.path, proof.note), serial, digest),
        (Proof(proof.fact, proof.index, proof.path[:-1], proof.note), serial, digest),
    ]:
        with pytest.raises(SshJitError):
            tlogproof.check(wrong, number, sha, head(ca))


def test_t44_an_entry_of_another_kind_proves_nothing(ca: Installation) -> None:
    (serial, digest), _ = drawn(ca)
    for row in ca.store.rows():
        if row.entry.kind != "certificate":
            there = serial - serial % 2**40 + row.entry.index
            proof = tlogproof.parse(proof_of(ca, there))
            with pytest.raises(Invalid):
                tlogproof.check(proof, there, digest, head(ca))
    with pytest.raises(Invalid):
        proof_of(ca, serial + 1000)


SERIAL = 3 * 2**40


@pytest.mark.parametrize(
    ("changed", "proved"),
    [
        ({}, True),
        ({"kind": "host-certificate"}, True),
        ({"kind": "revoke"}, False),
        ({"index": 1}, False),
        ({"body": {"certificate": "ab", "serial": SERIAL + 1}}, False),
        ({"body": {"certificate": "ac", "serial": SERIAL}}, False),
        ({"body": [SERIAL, "ab"]}, False),
        ({"body": {"certificate": "ab", "serial": str(SERIAL)}}, False),
    ],
)
@pytest.mark.parametrize("spelled", [True, False])
def test_t44_what_a_signed_head_is_over_must_say_the_right_thing_as_well(
    changed: dict[str, object], *, proved: bool, spelled: bool
) -> None:
    """A tree of one entry: no path can be wrong here, only what the entry says, and how."""
    said = {"body": {"certificate": "ab", "serial": SERIAL}, "index": 0, "kind": "certificate"} | changed
    fact = canonical.dumps(said) if spelled else json.dumps(said).encode()
    head = checkpoint.Checkpoint("test/ssh-jit", 1, merkle.leaf_hash(fact))
    proof = Proof(fact, 0, (), "")
    if proved and spelled:
        tlogproof.check(proof, SERIAL, "ab", head)
        return
    with pytest.raises(Invalid) as wrong:
        tlogproof.check(proof, SERIAL, "ab", head)
    assert wrong.value.code == "not_proved"


def test_what_the_operator_drew_past_every_rule_is_proved_as_well(ca: Installation) -> None:
    """Also what was drawn without a database, whose serial names no place in the log."""
    message = m.SignEmergency("root", ("web1",), make_key(ca.home / "key").with_suffix(".pub").read_text(), "x", 60)
    drawn_here = ca.say(message, m.EmergencyReply, "admin")
    spooled = offline_signing.sign_without_database(ca.config, ca.places, ca.context.clock, message)
    with pytest.raises(Invalid) as unknown:
        proof_of(ca, spooled.serial)
    assert unknown.value.code == "unknown_certificate"
    ca.restart()
    (serial, digest), _ = drawn(ca)
    for view in (drawn_here, spooled):
        _, signed, signature = sshcert.parse_line(view.text)
        own = hashlib.sha256(sshcert.seal(signed, signature)).hexdigest()
        proof = tlogproof.parse(proof_of(ca, view.serial))
        tlogproof.check(proof, view.serial, own, head(ca))
        for number, sha in ((view.serial, digest), (serial, own), (serial, digest), (view.serial + 1, own)):
            with pytest.raises(Invalid):
                tlogproof.check(proof, number, sha, head(ca))


@pytest.fixture
def proved(ca: Installation) -> tuple[str, int, str, checkpoint.Checkpoint]:
    (serial, digest), _ = drawn(ca)
    return proof_of(ca, serial), serial, digest, head(ca)


@same_ca
@given(st.data())
def test_t44_no_mutated_proof_verifies(
    proved: tuple[str, int, str, checkpoint.Checkpoint], data: st.DataObject
) -> None:
    text, serial, digest, newest = proved
    body, note = text.split("\n\n", 1)
    at = data.draw(st.integers(0, len(body) - 1))
    changed = body[:at] + data.draw(st.sampled_from(["", "A", "0", "\n", " ", "=", "b" + body[at]])) + body[at + 1 :]
    if changed == body:
        return
    with pytest.raises(SshJitError):
        tlogproof.check(tlogproof.parse(f"{changed}\n\n{note}"), serial, digest, newest)


def test_a_proof_reads_back_and_has_the_format_s_shape(proved: tuple[str, int, str, checkpoint.Checkpoint]) -> None:
    text, serial, _, newest = proved
    assert tlogproof.write(tlogproof.parse(text)) == text
    lines = text.split("\n")
    assert lines[0] == "c2sp.org/tlog-proof@v1"
    assert lines[2] == f"index {serial % 2**40}"
    assert f"\n\n{newest.text}\n\N{EM DASH} test/ssh-jit " in text
