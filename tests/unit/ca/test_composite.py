"""Composite keys: the drafts' vectors, and OpenSSH 10.6, judge what is signed, read and written; each half counts."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from sshjit import profile, sshcert, sshkey
from sshjit.errors import Failed, Invalid, Refused
from sshjit.profile import Issue
from sshjit.sshwire import string, text
from sshjit_ca.keys import composite, files, generation, private_file, signatures, sshsig
from sshjit_ca.keys.composite import CompositeKey
from sshjit_ca.keys.files import FileKey
from sshjit_ca.keys.key_store import KeyStore
from sshjit_ca.keys.locations import KeyLocations
from tests.support import newest_openssh

VECTORS = Path(__file__).resolve().parents[2] / "vectors" / "post-quantum"
VECTOR = {
    name: base64.b64decode(value)
    for name, value in json.loads((VECTORS / "composite.json").read_text()).items()
    if name not in {"algorithm", "source"}
}
SPLIT = composite.MLDSA44_SIGNATURE_BYTES
KEY, OTHER = CompositeKey(bytes(range(64))), CompositeKey(bytes(range(1, 65)))


def test_the_drafts_vectors_verify_and_its_seeds_give_its_public_key() -> None:
    assert CompositeKey(VECTOR["sk"]).public == VECTOR["pk"]
    composite.verify(VECTOR["pk"], VECTOR["s"], VECTOR["m"])
    composite.verify(VECTOR["pk"], VECTOR["sWithContext"], VECTOR["m"], VECTOR["ctx"])
    for context, signature in ((VECTOR["ctx"], VECTOR["s"]), (b"", VECTOR["sWithContext"])):
        with pytest.raises(InvalidSignature):
            composite.verify(VECTOR["pk"], signature, VECTOR["m"], context)


def test_a_signature_by_half_a_key_is_worth_nothing() -> None:
    """Each half is of the right key over the right text; the other one is not, or is in the wrong place."""
    message = b"a message"
    good, foreign, elsewhere = KEY.sign(message), OTHER.sign(message), KEY.sign(b"another message")
    composite.verify(KEY.public, good, message)
    wrong = {
        "ML-DSA by another key": foreign[:SPLIT] + good[SPLIT:],
        "Ed25519 by another key": good[:SPLIT] + foreign[SPLIT:],
        "ML-DSA over another message": elsewhere[:SPLIT] + good[SPLIT:],
        "Ed25519 over another message": good[:SPLIT] + elsewhere[SPLIT:],
        "ML-DSA of nothing": bytes(SPLIT) + good[SPLIT:],
        "Ed25519 of nothing": good[:SPLIT] + bytes(64),
        "swapped": good[SPLIT:] + good[:SPLIT],
        "ML-DSA alone": good[:SPLIT],
        "Ed25519 alone": good[SPLIT:],
        "a byte less": good[:-1],
        "a byte more": good + b"\0",
        "empty": b"",
    }
    for signature in wrong.values():
        with pytest.raises(InvalidSignature):
            composite.verify(KEY.public, signature, message)
    with pytest.raises(InvalidSignature):
        composite.verify(KEY.public, good, message, b"context")
    swapped = KEY.public[sshkey.MLDSA44_BYTES :] + KEY.public[: sshkey.MLDSA44_BYTES]
    with pytest.raises((InvalidSignature, ValueError)):
        composite.verify(swapped, good, message)


def test_halves_that_signed_something_by_themselves_do_not_make_a_whole() -> None:
    """Both sign a text that names the algorithm; ML-DSA names it once more as its context."""
    mldsa = MLDSA44PrivateKey.from_seed_bytes(KEY.seeds[:32])
    ed25519 = Ed25519PrivateKey.from_private_bytes(KEY.seeds[32:])
    plain, whole = b"a message", composite.representative(b"a message")
    good = KEY.sign(plain)
    for half in (mldsa.sign(plain), mldsa.sign(whole), mldsa.sign(plain, b"COMPSIG-MLDSA44-Ed25519-SHA512")):
        with pytest.raises(InvalidSignature):
            composite.verify(KEY.public, half + good[SPLIT:], plain)
    with pytest.raises(InvalidSignature):
        composite.verify(KEY.public, good[:SPLIT] + ed25519.sign(plain), plain)


def test_lengths_and_contexts_are_held() -> None:
    for seeds in (b"", bytes(63), bytes(65)):
        with pytest.raises(Invalid):
            CompositeKey(seeds)
    with pytest.raises(Invalid):
        composite.verify(KEY.public[:-1], KEY.sign(b"x"), b"x")
    composite.verify(KEY.public, KEY.sign(b"x", bytes(255)), b"x", bytes(255))
    with pytest.raises(Invalid, match="255"):
        KEY.sign(b"x", bytes(256))


def test_a_signature_of_ssh_must_say_the_keys_own_type() -> None:
    signer = FileKey(KEY)
    raw = KEY.sign(b"x")
    signatures.verify(signer.public, b"x", text(sshkey.MLDSA44_ED25519) + string(raw))
    for kind in ("ssh-ed25519", "ssh-mldsa44-ed25519@openssh.com", "ssh-mldsa-44"):
        with pytest.raises(InvalidSignature):
            signatures.verify(signer.public, b"x", text(kind) + string(raw))


@pytest.mark.parametrize("passphrase", [None, b"correct horse"])
def test_a_key_file_reads_back_and_never_by_another_passphrase(passphrase: bytes | None) -> None:
    raw = private_file.write(KEY, passphrase)
    assert private_file.holds_composite(raw)
    assert private_file.read(raw, passphrase).seeds == KEY.seeds
    if passphrase is None:
        with pytest.raises(TypeError):
            private_file.read(raw, b"one")
        return
    with pytest.raises(TypeError):
        private_file.read(raw, None)
    with pytest.raises(Invalid) as wrong:
        private_file.read(raw, b"correct hors")
    assert wrong.value.code == "bad_passphrase"


def test_a_damaged_key_file_is_refused() -> None:
    """Any one byte of the parts that count: the public half, the seeds, the padding, what is said twice."""
    raw = private_file.write(KEY, None)
    body = base64.b64decode(b"".join(raw.splitlines()[1:-1]))
    for at in (*range(60), 700, 1420, 1450, len(body) - 90, len(body) - 40, len(body) - 8, len(body) - 1):
        changed = bytearray(body)
        changed[at] ^= 1
        _refused_or_same(bytes(changed))
    for cut in (0, 10, 500, len(body) - 1):
        _refused_or_same(body[:cut])
    _refused_or_same(body + b"\0")


def _refused_or_same(body: bytes) -> None:
    armoured = b"\n".join(
        (b"-----BEGIN OPENSSH PRIVATE KEY-----", base64.b64encode(body), b"-----END OPENSSH PRIVATE KEY-----", b"")
    )
    with pytest.raises((Invalid, TypeError)):
        private_file.read(armoured, None)


MADE = """
for name in plain sealed; do rm -f $name $name.pub; done
ssh-keygen -q -t mldsa44-ed25519 -N '' -C 'a comment' -f plain
ssh-keygen -q -t mldsa44-ed25519 -N 'correct horse' -f sealed
chmod 600 plain sealed
printf text | ssh-keygen -q -Y sign -n bundle@ssh-jit -f plain >theirs.sig
ssh-keygen -y -f ours >ours.read; ssh-keygen -y -P 'correct horse' -f ours.sealed >ours.sealed.read
printf text | ssh-keygen -Y verify -f signers -I it -n bundle@ssh-jit -s ours.sig
for wrong in 1 2 3; do
  if printf text | ssh-keygen -Y verify -f signers -I it -n bundle@ssh-jit -s wrong$wrong.sig; then echo TAKEN; fi
done
ssh-keygen -L -f subject-cert.pub >shown
ssh-keygen -q -s plain -I judge -n web1 -h -z 7 -V 20270101:20370101 ours.pub
chown $1 ./* ; chmod 600 ours plain sealed ours.sealed
"""


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What this file and OpenSSH 10.6 made for each other, in one visit there."""
    folder = tmp_path_factory.mktemp("judge")
    ours = FileKey(KEY)
    (folder / "ours").write_bytes(private_file.write(KEY, None))
    (folder / "ours.sealed").write_bytes(private_file.write(KEY, b"correct horse"))
    (folder / "ours.pub").write_text(f"{ours.public.line}\n")
    for name in ("ours", "ours.sealed"):
        (folder / name).chmod(0o600)
    (folder / "signers").write_text(f"it {ours.public.line}\n")
    armoured = sshsig.sign(ours, "bundle@ssh-jit", b"text")
    (folder / "ours.sig").write_text(armoured)
    blob = base64.b64decode("".join(armoured.splitlines()[1:-1]))
    for number, at in enumerate((len(blob) - 1, len(blob) - 100, len(blob) - 2400), 1):
        changed = bytearray(blob)
        changed[at] ^= 1
        (folder / f"wrong{number}.sig").write_text(_armour(bytes(changed)))
    issue = Issue(int(time.time()), 7, b"n" * 32, ours.public, 900)
    subject = sshkey.parse_line((VECTORS.parent / "ed25519.pub").read_text())
    signed = sshcert.encode(profile.host_certificate("web1", (), subject, issue))
    (folder / "subject-cert.pub").write_text(sshcert.line(sshcert.seal(signed, ours.sign(signed))))
    done = newest_openssh.run(folder, MADE.replace("$1", "0:0"))
    assert "TAKEN" not in done.stdout
    return folder


def _armour(blob: bytes) -> str:
    encoded = base64.b64encode(blob).decode()
    lines = (encoded[at : at + 70] for at in range(0, len(encoded), 70))
    return "\n".join(("-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----", ""))


def test_openssh_reads_our_key_files_and_certificates_and_signatures(judged: Path) -> None:
    line = FileKey(KEY).public.line
    assert (judged / "ours.read").read_text().split()[:2] == line.split()
    assert (judged / "ours.sealed.read").read_text().split()[:2] == line.split()
    assert f"{FileKey(KEY).public.fingerprint} (using ssh-mldsa44-ed25519)" in (judged / "shown").read_text()


def test_we_read_the_key_files_of_openssh(judged: Path) -> None:
    store = KeyStore(KeyLocations())
    secret = judged / "passphrase"
    secret.write_text("correct horse\n")
    secret.chmod(0o600)
    for name, reference in (("plain", f"file:{judged}/plain"), ("sealed", f"file:{judged}/sealed?passphrase={secret}")):
        signer = store.open(reference)
        line = (judged / f"{name}.pub").read_text()
        assert signer.public == sshkey.parse_line(line, post_quantum=True)
        signatures.verify(signer.public, b"x", signer.sign(b"x"))
    with pytest.raises(Failed, match="has no passphrase") as without:
        store.open(f"file:{judged}/sealed")
    assert without.value.code == "bad_passphrase"


def test_we_verify_the_signatures_and_certificates_of_openssh(judged: Path) -> None:
    theirs = sshkey.parse_line((judged / "plain.pub").read_text(), post_quantum=True)
    armoured = (judged / "theirs.sig").read_text()
    sshsig.verify(armoured, theirs, "bundle@ssh-jit", b"text")
    for namespace, message in (("login@ssh-jit", b"text"), ("bundle@ssh-jit", b"texT")):
        with pytest.raises(Refused):
            sshsig.verify(armoured, theirs, namespace, message)
    certificate, signed, signature = sshcert.parse_line((judged / "ours-cert.pub").read_text())
    assert (certificate.type, certificate.serial, certificate.principals) == ("ssh-mldsa44-ed25519-cert", 7, ("web1",))
    assert certificate.key == FileKey(KEY).public
    signatures.verify(theirs, signed, signature)
    assert sshcert.encode(certificate) == signed


def test_a_new_key_file_is_ours_to_read_and_names_its_public_half(tmp_path: Path) -> None:
    files.make(tmp_path / "key", "mldsa44-ed25519", passphrase=b"x")
    assert files.load(tmp_path / "key", b"x").public == files.load_public(tmp_path / "key")
    with pytest.raises(Failed) as wrong:
        files.load(tmp_path / "key", b"y")
    assert wrong.value.code == "bad_passphrase"


def test_a_key_of_an_agent_signs_until_it_is_taken_out(judged: Path) -> None:
    """The agent of OpenSSH 10.6; an older one takes no such key."""
    fingerprint = sshkey.parse_line((judged / "plain.pub").read_text(), post_quantum=True).fingerprint
    with newest_openssh.agent(judged) as socket:
        newest_openssh.run(judged, f"SSH_AUTH_SOCK={socket} ssh-add -q -t 1h plain")
        opened = generation.opened(KeyStore(KeyLocations(agent=socket)), f"agent:{fingerprint}")
        signer = KeyStore(KeyLocations(agent=socket)).open(opened.reference)
        signatures.verify(signer.public, b"x", signer.sign(b"x"))
        newest_openssh.run(judged, f"SSH_AUTH_SOCK={socket} ssh-add -q -d plain")
        with pytest.raises(Failed, match="refused the request"):
            signer.sign(b"x")


def test_an_agent_that_returns_half_a_signature_is_found_out() -> None:
    public, raw = FileKey(KEY).public, KEY.sign(b"x")
    for wrong in (raw[:SPLIT] + bytes(64), bytes(SPLIT) + raw[SPLIT:], raw[:SPLIT]):
        with pytest.raises(Failed, match="it was discarded"):
            signatures.ours(public, b"x", text(sshkey.MLDSA44_ED25519) + string(wrong), "the ssh-agent")
