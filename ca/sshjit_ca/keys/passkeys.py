"""What a browser's authenticator made or signed (WebAuthn, level 3), held against what we asked of it.

Attestation is not asked for: what an authenticator says of itself (that it saw its user, that it never leaves its
device) is as good as the authenticator. ``fido2`` reads and verifies; it is loaded with the first passkey.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sshjit.api.passkeys import PasskeyAssertion
from sshjit.errors import Invalid, Refused
from sshjit.login import b64url, unb64url
from sshjit_ca.ephemeral import Made
from sshjit_ca.passkey_config import PasskeySites

if TYPE_CHECKING:
    from fido2.cose import CoseKey
    from fido2.webauthn import AuthenticatorData, CollectedClientData

ALGORITHMS = (-7, -8, -257)
"""ES256, EdDSA (Ed25519), RS256: what authenticators have."""
_LONGEST_ID = 1023
_RSA_BITS = range(2048, 4097)
_RSA = -257
_MODULUS = -1
"""Where a COSE key of RSA has its modulus."""


@dataclass(frozen=True, slots=True)
class Signed:
    """What an authenticator said when it signed."""

    counter: int
    backed_up: bool
    device_bound: bool


def challenge_of(text: bytes) -> bytes:
    """WebAuthn's challenge for a text that is approved."""
    return hashlib.sha256(text).digest()


def read_made(client_data: str, authenticator_data: str, challenge: bytes, sites: PasskeySites) -> Made:
    """What a browser made for ``challenge``.

    Raises:
        Refused: ``passkey_refused``.
        Invalid: ``bad_passkey``.

    """
    client, data = _client_data(client_data), _authenticator_data(authenticator_data)
    _check_client(client, "webauthn.create", challenge, sites)
    _check_authenticator(data, sites.rp_id)
    attested = data.credential_data
    if attested is None:
        raise Invalid("bad_passkey", "the browser sent no new passkey")
    if not 1 <= len(attested.credential_id) <= _LONGEST_ID:
        raise Invalid("bad_passkey", "the passkey's id is too long")
    _check_key(attested.public_key)
    from fido2 import cbor  # noqa: PLC0415  # with the first passkey

    return Made(
        rp_id=sites.rp_id,
        credential=b64url(attested.credential_id),
        public_key=b64url(cbor.encode(attested.public_key)),
        device_bound=not data.is_backup_eligible(),
        backed_up=data.is_backed_up(),
        counter=data.counter,
    )


def check_signed(given: PasskeyAssertion, public_key: str, text: bytes, sites: PasskeySites) -> Signed:
    """Checks that the passkey with this key signed ``text`` on one of our pages, and saw its user.

    Raises:
        Refused: ``passkey_refused``.
        Invalid: ``bad_passkey``.

    """
    _check_client(_client_data(given.client_data), "webauthn.get", challenge_of(text), sites)
    return check_signature(given, public_key, sites.rp_id)


def check_signature(given: PasskeyAssertion, public_key: str, rp_id: str) -> Signed:
    """Checks the signature itself and what the authenticator says; what the browser says was looked at elsewhere.

    Raises as ``check_signed``.
    """
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415

    data = _authenticator_data(given.authenticator_data)
    _check_authenticator(data, rp_id)
    signed = bytes(data) + hashlib.sha256(_bytes(given.client_data)).digest()
    try:
        _key(public_key).verify(signed, _bytes(given.signature))
    except (InvalidSignature, ValueError, KeyError, TypeError):
        raise Refused("passkey_refused", "the passkey's signature is not valid") from None
    return Signed(data.counter, data.is_backed_up(), not data.is_backup_eligible())


def signed_challenge(client_data: str) -> bytes:
    """The challenge that a browser had signed. Raises ``Invalid``: ``bad_passkey``."""
    return bytes(_client_data(client_data).challenge)


def _check_client(
    client: CollectedClientData, kind: Literal["webauthn.create", "webauthn.get"], challenge: bytes, sites: PasskeySites
) -> None:
    if client.type != kind:
        raise Refused("passkey_refused", "the passkey signed for another purpose")
    if client.origin not in sites.origins or client.cross_origin is not False:
        raise Refused("passkey_refused", "the passkey was used on another page than ours")
    if client.challenge != challenge:
        raise Refused("passkey_refused", "the passkey signed another text than this one", hint="look at it again")


def _check_authenticator(data: AuthenticatorData, rp_id: str) -> None:
    if data.rp_id_hash != hashlib.sha256(rp_id.encode("ascii")).digest():
        raise Refused("passkey_refused", "the passkey is for another site")
    if not data.is_user_present() or not data.is_user_verified():
        hint = "set a PIN, a fingerprint or a face for it"
        raise Refused("passkey_refused", "the passkey did not verify that it is you", hint=hint)
    if data.is_backed_up() and not data.is_backup_eligible():
        raise Invalid("bad_passkey", "the passkey contradicts itself: it is backed up, and never can be")


def _check_key(key: CoseKey) -> None:
    """Whether this is a whole key of a kind that we take: a point on its curve, an RSA key of a sound size."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415

    if key.get(3) not in ALGORITHMS:
        raise Invalid("bad_passkey", "the passkey's key is of a kind that is not taken (ES256, Ed25519, RS256 are)")
    try:
        if key[3] == _RSA and int.from_bytes(key[_MODULUS], "big").bit_length() not in _RSA_BITS:
            raise Invalid("bad_passkey", "the passkey's RSA key is too short or too long")
        key.verify(b"", b"")
    except InvalidSignature:
        return
    except (ValueError, KeyError, TypeError):
        pass
    raise Invalid("bad_passkey", "the passkey's key is not a valid one")


def _client_data(text: str) -> CollectedClientData:
    from fido2.webauthn import CollectedClientData  # noqa: PLC0415

    try:
        return CollectedClientData(_bytes(text))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Invalid("bad_passkey", "the browser's part of the signature cannot be read") from None


def _authenticator_data(text: str) -> AuthenticatorData:
    from fido2.webauthn import AuthenticatorData  # noqa: PLC0415

    try:
        return AuthenticatorData(_bytes(text))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        raise Invalid("bad_passkey", "the authenticator's data cannot be read") from None


def _key(text: str) -> CoseKey:
    from fido2 import cbor  # noqa: PLC0415
    from fido2.cose import CoseKey  # noqa: PLC0415

    decoded = cbor.decode(_bytes(text))
    if not isinstance(decoded, dict):
        raise Invalid("bad_passkey", "the passkey's key cannot be read")
    return CoseKey.parse(decoded)


def _bytes(text: str) -> bytes:
    try:
        return unb64url(text)
    except Invalid:
        raise Invalid("bad_passkey", "the browser's answer is not base64url") from None
