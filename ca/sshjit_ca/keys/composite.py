"""Composite signatures of ML-DSA-44 and Ed25519: both halves sign, and both must be valid.

draft-ietf-lamps-pq-composite-sigs, algorithm id-MLDSA44-Ed25519-SHA512, as OpenSSH uses it with an empty context
(draft-miller-sshm-mldsa44-ed25519-composite-sigs). The halves are the library's; this file is what is between them:
both sign the same text, which names the algorithm, so that no half is worth anything elsewhere.
"""

from __future__ import annotations

import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from sshjit.errors import Invalid
from sshjit.sshkey import ED25519_BYTES, MLDSA44_BYTES

SEED_BYTES = 32
"""Of either private key."""
MLDSA44_SIGNATURE_BYTES, ED25519_SIGNATURE_BYTES = 2420, 64
MAX_CONTEXT = 255
_PREFIX = b"CompositeAlgorithmSignatures2025"
_LABEL = b"COMPSIG-MLDSA44-Ed25519-SHA512"
"""Named in the text that both sign, and once more as ML-DSA's own context."""


class CompositeKey:
    """A private key: the two seeds, ML-DSA's first."""

    def __init__(self, seeds: bytes) -> None:
        """Raises ``Invalid`` (``bad_key``) for anything but 64 bytes."""
        if len(seeds) != 2 * SEED_BYTES:
            raise Invalid("bad_key", f"the two seeds have {2 * SEED_BYTES} bytes, not {len(seeds)}")
        self.seeds = seeds
        self._mldsa = MLDSA44PrivateKey.from_seed_bytes(seeds[:SEED_BYTES])
        self._ed25519 = Ed25519PrivateKey.from_private_bytes(seeds[SEED_BYTES:])
        self.public: bytes = self._mldsa.public_key().public_bytes_raw() + self._ed25519.public_key().public_bytes_raw()
        """1,344 bytes."""

    @classmethod
    def generate(cls) -> CompositeKey:
        """A new key. Its halves are nobody else's: a half that is used alone elsewhere would be worth less."""
        mldsa, ed25519 = MLDSA44PrivateKey.generate(), Ed25519PrivateKey.generate()
        return cls(mldsa.private_bytes_raw() + ed25519.private_bytes_raw())

    def sign(self, message: bytes, context: bytes = b"") -> bytes:
        """The signature, 2,484 bytes; another one each time."""
        text = representative(message, context)
        return self._mldsa.sign(text, _LABEL) + self._ed25519.sign(text)


def verify(public: bytes, signature: bytes, message: bytes, context: bytes = b"") -> None:
    """Checks both halves.

    Raises:
        InvalidSignature: one of them, or the length, does not fit.
        Invalid: ``bad_key``, for what is no public key.

    """
    if len(public) != MLDSA44_BYTES + ED25519_BYTES:
        raise Invalid("bad_key", "this is not a composite public key")
    if len(signature) != MLDSA44_SIGNATURE_BYTES + ED25519_SIGNATURE_BYTES:
        raise InvalidSignature
    text = representative(message, context)
    mldsa = MLDSA44PublicKey.from_public_bytes(public[:MLDSA44_BYTES])
    mldsa.verify(signature[:MLDSA44_SIGNATURE_BYTES], text, _LABEL)
    ed25519 = Ed25519PublicKey.from_public_bytes(public[MLDSA44_BYTES:])
    ed25519.verify(signature[MLDSA44_SIGNATURE_BYTES:], text)


def representative(message: bytes, context: bytes = b"") -> bytes:
    """What both keys sign in place of the message (M' of the draft).

    Raises:
        Invalid: ``bad_context``, for one of more than 255 bytes.

    """
    if len(context) > MAX_CONTEXT:
        raise Invalid("bad_context", f"a context has at most {MAX_CONTEXT} bytes")
    return _PREFIX + _LABEL + bytes([len(context)]) + context + hashlib.sha512(message).digest()
