"""Public keys that people and hosts bring: which are taken, and which are refused before any private key is touched.

Taken: Ed25519, ECDSA over P-256, P-384 and P-521, RSA of 3072 to 8192 bits, and the two hardware-backed (``sk-``)
types; and, of callers that say so, the post-quantum composite of ML-DSA-44 and Ed25519. Refused: certificates in place
of keys, DSA, trailing bytes, RSA with even numbers, small or large ones, points that are not on their curve or of small
order. Formats: RFC 4253 section 6.6, RFC 5656 section 3.1, RFC 8709, OpenSSH's PROTOCOL.u2f, and
draft-miller-sshm-mldsa44-ed25519-composite-sigs.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from sshjit.errors import Invalid
from sshjit.sshwire import Reader

ED25519 = "ssh-ed25519"
RSA = "ssh-rsa"
SK_ED25519 = "sk-ssh-ed25519@openssh.com"
SK_ECDSA = "sk-ecdsa-sha2-nistp256@openssh.com"
_ECDSA = {"ecdsa-sha2-nistp256": "nistp256", "ecdsa-sha2-nistp384": "nistp384", "ecdsa-sha2-nistp521": "nistp521"}
MLDSA44_ED25519 = "ssh-mldsa44-ed25519"
"""Post-quantum: taken only by callers that know what to do with it, as most of OpenSSH's releases do not."""
MLDSA44_BYTES, ED25519_BYTES = 1312, 32
"""Of the two public keys, which stand in this order in one string."""
_POST_QUANTUM_CERTIFICATE = f"{MLDSA44_ED25519}-cert"
"""OpenSSH 10.6 writes exactly this, 10.4 and 10.5 ``-v01@openssh.com`` after it."""

MAX_LINE = 16 * 1024
_TYPE = re.compile(r"[!-+\--~]{1,64}", re.ASCII).fullmatch
"""Names of types: printable, without blanks and commas (RFC 4251, section 6)."""
RSA_BITS = range(3072, 8192 + 1)
RSA_EXPONENT_BITS = 33
"""Of the largest exponent: 2**32 + 1, the largest that programs use. Each bit costs whoever verifies a squaring."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key that passed every check. ``blob`` is its SSH wire format; ``body`` the part after the type."""

    type: str
    blob: bytes
    body: bytes

    @property
    def line(self) -> str:
        """``type base64``, as in ``.pub`` files, without a comment."""
        return f"{self.type} {base64.b64encode(self.blob).decode('ascii')}"

    @property
    def fingerprint(self) -> str:
        """``SHA256:…`` as ``ssh-keygen -l`` prints it."""
        return fingerprint(self.blob)

    @property
    def hardware(self) -> bool:
        """Whether this is an ``sk-`` key: only those can have ``verify-required``."""
        return self.type.startswith("sk-")

    @property
    def post_quantum(self) -> bool:
        """Whether a computer that breaks Ed25519 leaves this key unbroken."""
        return self.type == MLDSA44_ED25519


def fingerprint(blob: bytes) -> str:
    """``SHA256:…`` of a key in wire format."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).rstrip(b"=").decode("ascii")


def parse_line(line: str, *, post_quantum: bool = False) -> PublicKey:
    """Reads one line ``type base64 [comment]``; ``post_quantum``: as in ``parse_blob``.

    Raises:
        Invalid: ``bad_key`` and others of this file, with what is wrong.

    """
    if len(line) > MAX_LINE:
        raise Invalid("bad_key", "the public key is too long")
    parts = line.strip().split(None, 2)
    if len(parts) < 2 or "\n" in line.strip():
        raise Invalid("bad_key", "a public key is one line: type, base64, and perhaps a comment")
    key = parse_blob(_decoded(parts[1]), post_quantum=post_quantum)
    if key.type != parts[0]:
        raise Invalid("bad_key", "the public key says two different types")
    return key


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Invalid("bad_key", "the public key is not base64") from None


def is_unknown(blob: bytes, *, post_quantum: bool = False) -> bool:
    """Whether a key in wire format is of a type that is not known here: a newer version may know it.

    ``post_quantum``: as in ``parse_blob``; without it those are as unknown as any other type.
    Raises as ``parse_blob`` for what is no key: a certificate, or a known type with something wrong inside.
    """
    try:
        parse_blob(blob, post_quantum=post_quantum)
    except Invalid as error:
        if error.code != "bad_key_type":
            raise
        return _TYPE(Reader(blob).text()) is not None
    return False


def known_lines(lines: tuple[str, ...], *, post_quantum: bool = False) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The lines ``type base64`` whose type is known here, and the types of the others. Raises as ``parse_line``.

    So a list can hold keys of types that came later: who does not know them goes by the rest.
    """
    known, unknown = [], []
    for line in lines:
        kind, _, text = line.partition(" ")
        try:
            parse_line(line, post_quantum=post_quantum)
        except Invalid as error:
            if error.code != "bad_key_type" or not is_unknown(blob := _decoded(text), post_quantum=post_quantum):
                raise
            if Reader(blob).text() != kind or base64.b64encode(blob).decode("ascii") != text:
                raise Invalid("bad_key", "the public key is not in its one spelling, or says two types") from None
            unknown.append(kind)
        else:
            known.append(line)
    return tuple(known), tuple(dict.fromkeys(unknown))


def parse_blob(blob: bytes, *, post_quantum: bool = False) -> PublicKey:
    """Reads a key in SSH wire format and checks all of it.

    ``post_quantum``: whether the caller takes ``MLDSA44_ED25519``. Without it such a key is of a type that is not
    taken (``bad_key_type``): whoever trusts one, or hands out a certificate for it, must know which OpenSSH reads it.
    """
    reader = Reader(blob)
    kind = reader.text()
    if kind.startswith(_POST_QUANTUM_CERTIFICATE):
        text = "this is a post-quantum certificate, not a public key"
        raise Invalid("certificate_as_key", text, hint="give the .pub file of a key by ssh-keygen -t ed25519")
    if "-cert-v" in kind:
        raise Invalid("certificate_as_key", "this is a certificate, not a public key", hint="give the plain .pub file")
    if kind == MLDSA44_ED25519 and not post_quantum:
        raise _not_taken(kind)
    body = Reader(reader.rest())
    read_body(kind, body)
    body.finish()
    return PublicKey(kind, blob, blob[4 + len(kind) :])


def read_body(kind: str, reader: Reader) -> None:
    """Reads and checks the fields of a key of type ``kind``, and nothing after them."""
    if kind == ED25519:
        _check_ed25519(reader.string())
    elif kind == RSA:
        _check_rsa(exponent=reader.mpint(), modulus=reader.mpint())
    elif kind in _ECDSA:
        _check_ecdsa(_ECDSA[kind], reader.text(), reader.string())
    elif kind == SK_ED25519:
        _check_ed25519(reader.string())
        _check_application(reader.text())
    elif kind == SK_ECDSA:
        _check_ecdsa("nistp256", reader.text(), reader.string())
        _check_application(reader.text())
    elif kind == MLDSA44_ED25519:
        _check_composite(reader.string())
    else:
        raise _not_taken(kind)


def _not_taken(kind: str) -> Invalid:
    return Invalid("bad_key_type", f"keys of the type {kind[:40]!r} are not taken", hint="ssh-keygen -t ed25519")


def _check_rsa(exponent: int, modulus: int) -> None:
    if modulus.bit_length() not in RSA_BITS:
        raise Invalid(
            "weak_key",
            f"the RSA key has {modulus.bit_length()} bits, 3072 to 8192 are taken",
            hint="ssh-keygen -t ed25519",
        )
    if modulus % 2 == 0 or exponent % 2 == 0 or not 3 <= exponent < 2**RSA_EXPONENT_BITS:
        raise Invalid("bad_key", "the RSA key is not a proper one")


_CURVES = {
    # name: (prime, b) of y² = x³ - 3x + b; NIST SP 800-186, section 3.2.1
    "nistp256": (
        2**256 - 2**224 + 2**192 + 2**96 - 1,
        0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
    ),
    "nistp384": (
        2**384 - 2**128 - 2**96 + 2**32 - 1,
        0xB3312FA7E23EE7E4988E056BE3F82D19181D9C6EFE8141120314088F5013875AC656398D8A2ED19D2A85C8EDD3EC2AEF,
    ),
    "nistp521": (
        2**521 - 1,
        int(
            "0051953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109e1"
            "56193951ec7e937b1652c0bd3bb1bf073573df883d2c34f1ef451fd46b503f00",
            16,
        ),
    ),
}


def _check_ecdsa(expected: str, curve: str, point: bytes) -> None:
    if curve != expected:
        raise Invalid("bad_key", "the ECDSA key says two different curves")
    prime, b = _CURVES[curve]
    size = (prime.bit_length() + 7) // 8
    if len(point) != 1 + 2 * size or point[0] != 4:
        raise Invalid("bad_key", "the ECDSA point is not in its uncompressed form")
    x, y = int.from_bytes(point[1 : 1 + size], "big"), int.from_bytes(point[1 + size :], "big")
    if x >= prime or y >= prime or (y * y - (x * x * x - 3 * x + b)) % prime != 0:
        raise Invalid("off_curve", "the ECDSA point is not on its curve")


_ED_PRIME = 2**255 - 19
_ED_D = -121665 * pow(121666, -1, _ED_PRIME) % _ED_PRIME  # RFC 8032, section 5.1


def _check_ed25519(point: bytes) -> None:
    """The point must be on the curve and not of small order (anybody could sign for such a key)."""
    if len(point) != 32:
        raise Invalid("bad_key", "an Ed25519 key has 32 bytes")
    y = int.from_bytes(point, "little") & (2**255 - 1)
    square = y * y % _ED_PRIME
    x_square = (square - 1) * pow(_ED_D * square + 1, -1, _ED_PRIME) % _ED_PRIME
    if y >= _ED_PRIME or (x_square and pow(x_square, (_ED_PRIME - 1) // 2, _ED_PRIME) != 1):
        raise Invalid("off_curve", "the Ed25519 point is not on its curve")
    # Orders 1, 2 and 4 are y = 1, -1, 0; a point of order 8 doubles to y = 0, which is d·y⁴ + 2·y² = 1.
    if square in (0, 1) or (_ED_D * square * square + 2 * square - 1) % _ED_PRIME == 0:
        raise Invalid("weak_key", "the Ed25519 point is of small order")


def _check_composite(public: bytes) -> None:
    """The ML-DSA-44 key can be any bytes (FIPS 204, ``pkDecode``); the Ed25519 key after it is checked as one."""
    if len(public) != MLDSA44_BYTES + ED25519_BYTES:
        raise Invalid("bad_key", f"an {MLDSA44_ED25519} key has {MLDSA44_BYTES + ED25519_BYTES} bytes")
    _check_ed25519(public[MLDSA44_BYTES:])


def _check_application(application: str) -> None:
    if not application.startswith("ssh:") or len(application) > 200 or not application.isprintable():
        raise Invalid("bad_key", "the hardware key's application must begin with 'ssh:'")
