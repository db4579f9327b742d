"""Keys on a PKCS#11 token: a hardware security module, a smart card, SoftHSM.

Ed25519 by ``CKM_EDDSA``; ECDSA raw, over a digest of our own; RSA by ``CKM_SHA512_RSA_PKCS``. A session that died is
opened anew, and where that fails the library is initialised again, once: what it speaks to (a TPM's resource manager, a
daemon of the maker) may have been restarted. A call that takes longer than its time is given up, though the library may
still be in it. The package
python-pkcs11 comes with the extra ``hsm``, and is loaded only when a token is named. It tells libraries that there is
one thread (``C_Initialize`` without arguments), so only one of ours is ever inside a library.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

from cryptography.hazmat.primitives import hashes

from sshjit import sshkey
from sshjit.errors import Failed, Invalid
from sshjit.sshkey import PublicKey
from sshjit.sshwire import mpint, string, text
from sshjit_ca.keys.locations import KeyLocations
from sshjit_ca.keys.references import FILLING, Token
from sshjit_ca.keys.signatures import CURVE_HASHES, ecdsa_blob, ours
from sshjit_ca.keys.signer import RSA_SIGNATURE

PATIENCE = 10.0
"""Seconds that the token has for one signature."""
_CURVES = {
    # the DER of the curve's object identifier (SEC 2, A.2.1; RFC 5480, 2.1.1.1): SSH's name, bytes of a number
    bytes.fromhex("06082a8648ce3d030107"): ("nistp256", 32),
    bytes.fromhex("06052b81040022"): ("nistp384", 48),
    bytes.fromhex("06052b81040023"): ("nistp521", 66),
}
T = TypeVar("T")


@dataclass(slots=True)
class _Library:
    """A library that is loaded. ``inside``: held by the thread that is inside it; ``times``: initialised again."""

    inside: threading.Lock = field(default_factory=threading.Lock)
    times: int = 0


_LIBRARIES: dict[Path, _Library] = {}


class TokenKey:
    """A key on a token."""

    def __init__(self, reference: Token, places: KeyLocations, *, patience: float = PATIENCE) -> None:
        """Opens a session and looks for the key and its public half.

        Raises:
            Failed: ``no_pkcs11``, ``not_signing``, and those of ``KeyLocations.secret``.

        """
        self._reference = reference
        self._places = places
        self._patience = patience
        self._loaded = _LIBRARIES.setdefault(reference.module, _Library())
        self._times = 0
        """As of when the session is: one from before the library was initialised again means nothing any more."""
        self._session: Any = None
        self._private: Any = None
        self.public: PublicKey = self._call(self._open)

    def sign(self, data: bytes) -> bytes:
        """The signature blob over ``data``, checked."""
        return ours(self.public, data, self._call(lambda: self._sign(data)), self._where)

    def close(self) -> None:
        """Ends the session; the next signature opens another one."""
        if self._session is not None:
            self._call(self._close)

    @property
    def _where(self) -> str:
        return f"the token {self._reference.token!r}"

    def _call(self, function: Callable[[], T]) -> T:
        """Does what the token must do, with a time limit; errors become ours."""
        pkcs11 = _library()
        try:
            return within(self._patience, lambda: self._alone(function))
        except TimeoutError:
            self._session = None
            raise Failed(
                "not_signing", f"{self._where} did not answer within {self._patience:.0f} s", hint="is it plugged in?"
            ) from None
        except Invalid as error:
            raise Failed("not_signing", f"the key on {self._where} cannot be used: {error.message}") from None
        except pkcs11.PKCS11Error as error:
            self._session = None
            raise Failed("not_signing", f"{self._where} does not sign: {_reason(error)}", hint=_hint(error)) from None

    def _alone(self, function: Callable[[], T]) -> T:
        """Does it when no other thread is inside the library; whoever was given up while waiting does nothing later."""
        inside = self._loaded.inside
        if not inside.acquire(timeout=self._patience):
            raise TimeoutError
        try:
            return function()
        finally:
            inside.release()

    def _sign(self, data: bytes) -> bytes:
        pkcs11 = _library()
        if self._session is not None and self._times == self._loaded.times:
            try:
                return self._signed(data)
            except pkcs11.PKCS11Error:
                self._close()  # a session does not outlive the device's sleep, restart, or a drop of the network
        try:
            return self._signed_anew(data)
        except pkcs11.PKCS11Error as error:
            if _is_an_answer(error):
                raise
        self._initialise()
        return self._signed_anew(data)

    def _signed_anew(self, data: bytes) -> bytes:
        """By a new session."""
        if self._open() != self.public:
            raise Failed("not_signing", f"{self._where} now holds another key with this name")
        return self._signed(data)

    def _initialise(self) -> None:
        """Ends what the library has open, sessions of other keys too, and lets it begin again."""
        pkcs11 = _library()
        library = pkcs11.lib(str(_trusted(self._reference.module)))
        self._session = None
        self._loaded.times += 1
        with contextlib.suppress(pkcs11.PKCS11Error):  # it may be unable to end what is dead
            library.finalize()
        library.initialize()

    def _signed(self, data: bytes) -> bytes:
        mechanism = _library().Mechanism
        if self.public.type == sshkey.ED25519:
            return text(sshkey.ED25519) + string(self._private.sign(data, mechanism=mechanism.EDDSA))
        if self.public.type == sshkey.RSA:
            return text(RSA_SIGNATURE) + string(self._private.sign(data, mechanism=mechanism.SHA512_RSA_PKCS))
        digest = hashes.Hash(CURVE_HASHES[self.public.type])
        digest.update(data)
        raw = self._private.sign(digest.finalize(), mechanism=mechanism.ECDSA)
        half = len(raw) // 2
        return ecdsa_blob(self.public, int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))

    def _open(self) -> PublicKey:
        pkcs11, reference = _library(), self._reference
        pin = self._places.secret(reference.pin).decode("utf-8") if reference.pin else None
        library = pkcs11.lib(str(_trusted(reference.module)))
        self._times = self._loaded.times
        token = _token(library, reference)
        try:
            self._session = token.open(user_pin=pin)
        except pkcs11.UserAlreadyLoggedIn:
            self._session = token.open()  # another key of ours has logged in, and that counts for all sessions
        named = {"label": reference.object, "id": reference.id}
        self._private = self._session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, **named)
        return _public(self._session.get_key(object_class=pkcs11.ObjectClass.PUBLIC_KEY, **named))

    def _close(self) -> None:
        session, self._session = self._session, None
        try:
            session.close()
        except _library().PKCS11Error:
            return  # it was dead already


def _token(library: Any, reference: Token) -> Any:
    """The one token that a reference names. Raises ``PKCS11Error``."""
    pkcs11 = _library()
    serial = reference.serial and reference.serial.encode()
    tokens = [
        token
        for token in library.get_tokens(token_label=reference.token, token_serial=serial)
        if reference.manufacturer in {None, _plain(token.manufacturer_id)}
        and reference.model in {None, _plain(token.model)}
    ]
    if len(tokens) != 1:
        raise pkcs11.MultipleTokensReturned if tokens else pkcs11.NoSuchToken
    return tokens[0]


def _plain(text: str) -> str:
    """What a token says of itself, without what fills up the field."""
    return text.rstrip(FILLING)


def _is_an_answer(error: Exception) -> bool:
    """Whether the token itself said no: asking again would use up the PIN's tries, or find no other key."""
    return type(error).__name__.startswith(("Pin", "NoSuchKey", "Multiple", "UserPin"))


def within(seconds: float, function: Callable[[], T]) -> T:
    """What ``function`` returns or raises, or ``TimeoutError``: then it is left to itself in its thread."""
    outcome: list[tuple[bool, Any]] = []

    def run() -> None:
        try:
            outcome.append((True, function()))
        except BaseException as error:  # noqa: BLE001 - it is raised again in the caller's thread
            outcome.append((False, error))

    thread = threading.Thread(target=run, name="token", daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise TimeoutError
    worked, result = outcome[0]
    if not worked:
        raise result
    return cast("T", result)


def _public(key: Any) -> PublicKey:
    """The public key that an object on a token is."""
    pkcs11 = _library()
    kind, attribute = key.key_type, pkcs11.Attribute
    if kind == pkcs11.KeyType.RSA:
        numbers = (int.from_bytes(key[each], "big") for each in (attribute.PUBLIC_EXPONENT, attribute.MODULUS))
        return sshkey.parse_blob(text(sshkey.RSA) + b"".join(map(mpint, numbers)))
    point = key[attribute.EC_POINT]
    if kind == pkcs11.KeyType.EC_EDWARDS:
        return sshkey.parse_blob(text(sshkey.ED25519) + string(_octets(point, 32)))
    if kind == pkcs11.KeyType.EC and key[attribute.EC_PARAMS] in _CURVES:
        curve, size = _CURVES[key[attribute.EC_PARAMS]]
        raw = _octets(point, 1 + 2 * size)
        return sshkey.parse_blob(text(f"ecdsa-sha2-{curve}") + text(curve) + string(raw))
    raise Invalid("bad_key_type", "it is not Ed25519, ECDSA over a NIST curve, or RSA")


def _octets(point: bytes, size: int) -> bytes:
    """A point is a DER octet string by the standard; some devices leave the wrapping out."""
    return point[-size:] if len(point) > size and point[:1] == b"\x04" else point


def _trusted(module: Path) -> Path:
    """A library runs inside the CA: it must be one that only root or we could have put there."""
    try:
        status = module.stat()
    except OSError as error:
        raise Failed(
            "not_signing", f"{module}: {error.strerror}", hint="install the package with the library"
        ) from None
    if status.st_uid not in (0, os.getuid()) or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise Failed("not_signing", f"{module} is writable by other users", hint=f"chmod go-w {module}")
    return module


def _library() -> Any:
    try:
        import pkcs11  # noqa: PLC0415 - an extra, and seldom needed
    except ImportError:
        raise Failed("no_pkcs11", "keys on tokens need python-pkcs11", hint="pip install 'ssh-jit[hsm]'") from None
    return pkcs11


def _reason(error: Exception) -> str:
    """``NoSuchToken: No token matching …``: the class is what PKCS#11 says, the text often empty."""
    said = str(error).strip()
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def _hint(error: Exception) -> str:
    name = type(error).__name__
    if name.startswith("Pin"):
        return "is the PIN at pin-source the token's? Look before its tries are used up"
    if name.startswith("NoSuch"):
        return "pkcs11-tool --module … -L lists tokens, -O their objects"
    return "is the device there, and awake?"
