"""New key files, plain or encrypted; and keys opened by the reference that will name them, before they count.

A key that was made is read back as every start of the CA will read it: by its reference, with the passphrase from its
source. One that does not come back and sign is removed, so that nobody is told of a key that is lost already. Which
purpose a key is for, and whether it may be one at all, is for ``first_keys.py`` and ``preparations.py`` to say.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from sshjit import sshkey
from sshjit.ca_protocol.keys import KeyKind
from sshjit.errors import Failed, SshJitError
from sshjit.sshkey import PublicKey
from sshjit_ca.keys import files, probe, references
from sshjit_ca.keys.key_store import KeyStore


@dataclass(frozen=True, slots=True)
class Opened:
    """A key that was opened and signs, and its reference."""

    public: PublicKey
    reference: str


def opened(key_store: KeyStore, reference: str) -> Opened:
    """The key at a reference, once it has signed; the recovery key, which cannot, is taken by its public half.

    Raises:
        Invalid: ``bad_reference``, ``bad_key``.
        Failed: why it cannot be opened, or does not sign.

    """
    place = references.parse(reference)
    if isinstance(place, references.Safe):
        return Opened(sshkey.parse_line(place.line), reference)
    signer = key_store.open(reference)
    probe.sign_once(signer)
    return Opened(signer.public, reference)


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes key files. ``source`` says where what they are encrypted by is read; ``None`` leaves them plain."""

    key_store: KeyStore
    source: str | None
    _secret: bytes | None = field(repr=False)

    @classmethod
    def of(cls, key_store: KeyStore, source: str | None) -> Maker:
        """A maker that has read its passphrase, so that what is wrong with it is said before anything is made.

        Raises:
            Invalid: ``bad_reference``, for what is no source.
            Failed: ``no_secret``, ``secret_exposed``, ``bad_passphrase``.

        """
        if source is None:
            return cls(key_store, None, None)
        secret = key_store.places.secret(references.source("a passphrase's source", source))
        if len(secret) > files.MAX_PASSPHRASE:
            text = f"the passphrase is longer than {files.MAX_PASSPHRASE} bytes"
            raise Failed("bad_passphrase", text, hint="openssl rand -base64 33 makes a good one")
        return cls(key_store, source, secret)

    def make(self, path: Path, kind: KeyKind = "ed25519") -> Opened:
        """Makes a key at a path where none is, and opens it again.

        Raises:
            FileExistsError: when there is a file already.
            SshJitError: why it could not be opened again; it is gone then.

        """
        files.make(path, kind, passphrase=self._secret)
        try:
            return opened(self.key_store, references.of_file(path, self.source))
        except SshJitError:
            path.unlink()
            files.public_file(path).unlink()
            raise
