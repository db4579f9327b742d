"""The names of certificates' types, and how many strings their keys have (OpenSSH's ``PROTOCOL.certkeys``).

Every name ends with the same suffix, but for one: OpenSSH 10.6 calls the post-quantum type
``ssh-mldsa44-ed25519-cert``, without a version.
"""

from __future__ import annotations

POST_QUANTUM = "ssh-mldsa44-ed25519"
"""Keys of ML-DSA-44 and Ed25519 together, which OpenSSH reads from 10.6 on."""
POST_QUANTUM_BYTES = 1312 + 32
"""Of such a public key: that of ML-DSA-44, then that of Ed25519."""
_SUFFIX = "-cert-v01@openssh.com"
_UNVERSIONED = {f"{POST_QUANTUM}-cert": POST_QUANTUM}
_STRINGS = {
    "ssh-ed25519": 1,
    POST_QUANTUM: 1,
    "ssh-rsa": 2,
    "sk-ssh-ed25519@openssh.com": 2,
    "sk-ecdsa-sha2-nistp256@openssh.com": 3,
}
"""Strings of a public key after its type; all others have two."""


def certificate_of(plain_kind: str) -> str:
    """The type of certificates for keys of this type."""
    unversioned = {plain: name for name, plain in _UNVERSIONED.items()}
    return unversioned.get(plain_kind) or f"{plain_kind.replace('@openssh.com', '')}{_SUFFIX}"


def is_certificate(kind: str) -> bool:
    """Whether a type is a certificate's."""
    return kind in _UNVERSIONED or (kind.endswith(_SUFFIX) and len(kind) > len(_SUFFIX))


def plain(kind: str) -> str:
    """The type of the key inside: ``sk-ssh-ed25519-cert-v01@openssh.com`` holds a ``sk-ssh-ed25519@openssh.com``.

    Raises ``ValueError`` if it is no certificate's type.
    """
    if not is_certificate(kind):
        raise ValueError("is no certificate")
    if kind in _UNVERSIONED:
        return _UNVERSIONED[kind]
    name = kind[: -len(_SUFFIX)]
    return f"{name}@openssh.com" if name.startswith("sk-") else name


def strings_of(plain_kind: str) -> int:
    """How many strings a public key of this type has after its type."""
    return _STRINGS.get(plain_kind, 2)
