"""Authenticators in software: what a browser and a phone or security key make and sign (WebAuthn), by real keys."""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from fido2 import cbor
from fido2.cose import ES256, RS256, CoseKey, EdDSA

from sshjit import ca_protocol as m
from sshjit import signed_actions
from sshjit.login import b64url, unb64url
from tests.support.installation import Installation, Person
from tests.support.signatures import by, challenge

RP_ID = "ssh-jit.example.com"
ORIGIN = "https://ssh-jit.example.com"
PRESENT, VERIFIED, CAN_BE_SYNCED, IS_SYNCED, NEW = 1, 4, 8, 16, 64
PASSKEYS = f'[passkeys]\nrp_id = "{RP_ID}"\norigins = ["{ORIGIN}"]\n'
"""What the CA's settings say of passkeys."""


@dataclass
class Authenticator:
    """One passkey. ``step`` is how much its counter rises with each signature; 0: it does not count."""

    key: Any = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    credential: bytes = b"credential-1"
    step: int = 0
    counter: int = 0
    flags: int = PRESENT | VERIFIED | CAN_BE_SYNCED | IS_SYNCED
    origin: str = ORIGIN
    rp_id: str = RP_ID
    more: dict[str, Any] = field(default_factory=dict)
    """What the browser says besides."""

    def made(self, fresh: str) -> tuple[str, str]:
        """Client data and authenticator data of a new passkey, for a challenge in base64url."""
        key = cbor.encode(self.public)
        attested = bytes(16) + struct.pack(">H", len(self.credential)) + self.credential + key
        return self._client("webauthn.create", fresh), b64url(self._data(self.flags | NEW) + attested)

    @property
    def public(self) -> CoseKey:
        """The public key."""
        kinds: dict[type, type[CoseKey]] = {ec.EllipticCurvePublicKey: ES256, ed25519.Ed25519PublicKey: EdDSA}
        public = self.key.public_key()
        kind = next((cose for cls, cose in kinds.items() if isinstance(public, cls)), RS256)
        return kind.from_cryptography_key(public)

    def sign(self, text: bytes, fresh: str) -> m.PasskeyAssertion:
        """The signature over a text, whose challenge of ours is ``fresh``."""
        self.counter += self.step
        client = self._client("webauthn.get", b64url(hashlib.sha256(text).digest()))
        data = self._data(self.flags)
        signature = self._sign(data + hashlib.sha256(unb64url(client)).digest())
        return m.PasskeyAssertion(fresh, b64url(self.credential), client, b64url(data), b64url(signature))

    def _sign(self, message: bytes) -> bytes:
        if isinstance(self.key, ed25519.Ed25519PrivateKey):
            return self.key.sign(message)
        if isinstance(self.key, rsa.RSAPrivateKey):
            return self.key.sign(message, padding.PKCS1v15(), hashes.SHA256())
        signature: bytes = self.key.sign(message, ec.ECDSA(hashes.SHA256()))
        return signature

    def _client(self, kind: str, fresh: str) -> str:
        said = {"type": kind, "challenge": fresh, "origin": self.origin, "crossOrigin": False, **self.more}
        return b64url(json.dumps(said).encode())

    def _data(self, flags: int) -> bytes:
        return hashlib.sha256(self.rp_id.encode()).digest() + struct.pack(">BI", flags, self.counter)


def make(ca: Installation, person: Person, device: Authenticator) -> tuple[str, m.PasskeyOfferReply]:
    """A passkey that a browser made for a terminal's code; the native login that began it."""
    native = ca.native(person)
    offer = ca.say(m.OfferPasskey(native), m.PasskeyOfferReply)
    web = ca.web(person)
    options = ca.say(m.ReadPasskeyOptions(web, offer.code), m.PasskeyOptionsReply)
    client, data = device.made(options.challenge)
    return native, ca.say(m.MakePasskey(web, offer.code, client, data), m.PasskeyOfferReply)


def registration(ca: Installation, person: Person, native: str, offer: m.PasskeyOfferReply) -> m.RegisterPasskey:
    """What the terminal sends: signed over what it shows."""
    made = offer.made
    assert made is not None
    act = m.RegisterPasskey(
        native,
        offer.code,
        "phone",
        made.rp_id,
        made.credential,
        made.public_key,
        made.device_bound,
        made.backed_up,
        None,
    )
    fresh = challenge(ca, native)
    text = signed_actions.act_text(act, fresh, ca.config.installation)
    signature = by(ca.key(person))(signed_actions.ACT_NAMESPACE, text)
    return m.RegisterPasskey(
        **{**{name: getattr(act, name) for name in act.__slots__}, "consent": m.ActionSignature(fresh, signature)}
    )


def register(ca: Installation, person: Person, device: Authenticator) -> m.PasskeyView:
    """Registers a passkey, as the terminal does; it does not count yet."""
    native, offer = make(ca, person, device)
    return ca.say(registration(ca, person, native, offer), m.PasskeysReply).passkeys[0]


def registered(ca: Installation, person: Person, device: Authenticator) -> m.PasskeyView:
    """A passkey that counts."""
    passkey = register(ca, person, device)
    return ca.say(m.AcceptPasskey(None, passkey.id, None, None), m.PasskeysReply, "admin").passkeys[0]


def approval(
    ca: Installation, login: str, request: m.RequestView, device: Authenticator, comment: str = ""
) -> m.Approve:
    """An approval of what ``request`` shows, signed by a passkey."""
    asked = ca.say(m.ReadPasskeyChallenge(login, request.id, comment, None), m.PasskeyChallengeReply)
    given = device.sign(asked.text.encode(), asked.challenge)
    return m.Approve(login, request.id, request.digest, comment, None, None, given)


def exported(device: Authenticator) -> dict[str, str]:
    """The passkey as a browser's virtual authenticator takes it."""
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    raw = device.key.private_bytes(serialization.Encoding.DER, form, plain)
    return {
        "credentialId": base64.b64encode(device.credential).decode(),
        "privateKey": base64.b64encode(raw).decode(),
    }
