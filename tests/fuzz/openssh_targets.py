"""What reads OpenSSH's formats: keys, certificates, revocation lists, signatures."""

from __future__ import annotations

import base64
import functools
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from sshjit import krl as post_quantum_krl
from sshjit import sshcert, sshkey
from sshjit.errors import SshJitError
from sshjit.sshkey import PublicKey
from sshjit_ca.keys import Signer, krl, private_file, sshsig
from sshjit_ca.keys.composite import CompositeKey
from sshjit_ca.keys.files import FileKey
from sshjit_host.formats import krl as host_krl
from sshjit_host.formats import sshkey as host_key

VECTORS = Path(__file__).resolve().parents[1] / "vectors"
COMPOSITE = CompositeKey(bytes(range(64)))
PASSPHRASE = b"correct horse"
NAMESPACE, MESSAGE = "login@ssh-jit", b"what was signed"


def lines(pattern: str) -> list[bytes]:
    """The public keys, or certificates, that ssh-keygen made."""
    found = sorted(VECTORS.glob(pattern))
    return [path.read_bytes() for path in found if "-cert" in pattern or not path.stem.endswith("-cert")]


def blobs(pattern: str) -> list[bytes]:
    """The same in wire format."""
    return [base64.b64decode(line.split()[1]) for line in lines(pattern)]


def public_key(data: bytes) -> None:
    """A key that is taken is a key to everybody else; what a host takes for a key the core takes for the same."""
    line = data.decode("latin-1")
    for key in (_taken(lambda: sshkey.parse_blob(data)), _taken(lambda: sshkey.parse_line(line))):
        if key is not None and not key.hardware:
            assert not key.post_quantum, "only who asks for such keys gets one"
            serialization.load_ssh_public_key(key.line.encode())
    wider = _taken(lambda: sshkey.parse_blob(data, post_quantum=True))
    if wider is not None and wider.post_quantum:
        assert len(data) == 4 + len(wider.type) + 4 + 1344
    try:
        host = host_key.read_line(line)
    except ValueError:
        return
    try:
        assert sshkey.parse_line(line).blob == host.blob
    except SshJitError as error:
        assert error.code in {"off_curve", "weak_key"}, error.code  # noqa: PT017 - which points are good, the CA checks


def certificate(data: bytes) -> None:
    """A certificate that is read is written again as the same bytes."""
    try:
        found, signed, signature = sshcert.parse_blob(data)
    except SshJitError:
        return
    assert sshcert.seal(sshcert.encode(found), signature) == data
    assert data.startswith(signed)


def revocation_list(data: bytes) -> None:
    """The host's reader takes a list or raises ``ValueError``; it returns what it knows of it, and no other bytes."""
    try:
        found = host_krl.read(data)
    except ValueError:
        return
    if found.left_out:
        found = host_krl.read(data := found.data)
    assert (found.data, found.left_out) == (data, ())


def private_key(data: bytes) -> None:
    """A composite key's file is read whole or refused; whoever has its bytes and no passphrase has nothing."""
    for passphrase in (None, PASSPHRASE):
        try:
            key = private_file.read(data, passphrase)
        except (SshJitError, TypeError):
            continue
        assert key.seeds == COMPOSITE.seeds
    private_file.holds_composite(data)


def post_quantum_list(data: bytes) -> None:
    """A list about post-quantum keys names nothing else, and what is left of it by rule is one again."""
    try:
        known, _ = post_quantum_krl.known(data, post_quantum=True)
        refused = post_quantum_krl.read(known, post_quantum=True)
    except SshJitError:
        return
    assert all(sshkey.parse_blob(blob, post_quantum=True).post_quantum for blob in refused)


def private_keys() -> list[bytes]:
    """Files of one key, in the clear and encrypted by few rounds, for the time that it takes to read many."""
    return [private_file.write(COMPOSITE, None), private_file.write(COMPOSITE, PASSPHRASE, rounds=1)]


def post_quantum_lists() -> list[bytes]:
    """Lists as our CA writes them."""
    ca = FileKey(COMPOSITE).public
    return [
        krl.write([([ca], [])], version=1, time=1_800_000_000),
        krl.write([([ca], [5, *range(7, 50)])], version=2, time=1_800_000_000, keys=[ca]),
    ]


def signature(data: bytes) -> None:
    """Nothing counts as a signature but those that were made."""
    for key, honest in _signed():
        try:
            sshsig.verify(data.decode("latin-1"), key, NAMESPACE, MESSAGE)
        except SshJitError:
            continue
        assert _content(data) == _content(honest)


def revocation_lists() -> list[bytes]:
    """Lists as our CA writes them."""
    ca, other = (sshkey.parse_blob(blob) for blob in blobs("*.pub")[:2])
    return [
        krl.write([([ca], [])], version=1, time=1_800_000_000),
        krl.write([([ca], [5]), ([ca, other], [7, 2**40 + 1, 2**64 - 1])], version=2, time=1_800_000_000),
        krl.write([([ca], range(1, 50))], version=3, time=1_800_000_000, keys=[other]),
    ]


def signatures() -> list[bytes]:
    """One signature by each kind of key."""
    return [honest for _, honest in _signed()]


@functools.cache
def _signed() -> tuple[tuple[PublicKey, bytes], ...]:
    signers: tuple[Signer, ...] = (
        FileKey(ed25519.Ed25519PrivateKey.generate()),
        FileKey(ec.generate_private_key(ec.SECP256R1())),
        FileKey(rsa.generate_private_key(public_exponent=65537, key_size=3072)),
        FileKey(COMPOSITE),
    )
    return tuple((each.public, sshsig.sign(each, NAMESPACE, MESSAGE).encode()) for each in signers)


def _content(armoured: bytes) -> bytes:
    return base64.b64decode("".join(armoured.decode("latin-1").strip().splitlines()[1:-1]))


def _taken(read: Callable[[], PublicKey]) -> PublicKey | None:
    try:
        return read()
    except SshJitError:
        return None
