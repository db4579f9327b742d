"""What all programs know of passkeys: how strongly an approval is signed, what a step asks for, and a fingerprint.

What signs an approval is, from the weakest to the strongest: nothing, a passkey that may be synced, a passkey that
never leaves its device, the key of a sign-in by ``ssh-jit``. A step takes what it asks for, and whatever is stronger.
"""

from __future__ import annotations

import hashlib
from base64 import b32encode
from typing import Literal, Protocol

Accepted = Literal["", "any", "device-bound"]
"""Which passkeys a step that wants a signature takes beside the key of a sign-in; empty: none."""
Kind = Literal["", "synced", "device-bound"]
"""By which kind of passkey an approval is signed; empty: by none."""
SIGNED: dict[str, Accepted] = {"passkey": "any", "device-bound-passkey": "device-bound"}
"""What ``signed`` of a policy's step may say besides true and false -> which passkeys count."""
UNSIGNED, PASSKEY, DEVICE_BOUND, KEY = range(4)
"""How strongly something is signed."""


class Asking(Protocol):
    """What a step says of signatures."""

    # ruff: noqa: D102 - each is the field of that name
    @property
    def signed(self) -> bool: ...
    @property
    def passkey(self) -> Accepted: ...


class Given(Protocol):
    """What an approval says of its signature."""

    @property
    def signed(self) -> bool: ...
    @property
    def passkey(self) -> Kind: ...


def asked(step: Asking) -> int:
    """The weakest signature that the step takes."""
    if not step.signed:
        return UNSIGNED
    return {"any": PASSKEY, "device-bound": DEVICE_BOUND, "": KEY}[step.passkey]


def given(approval: Given) -> int:
    """How strongly an approval is signed."""
    return KEY if approval.signed else {"device-bound": DEVICE_BOUND, "synced": PASSKEY, "": UNSIGNED}[approval.passkey]


def kind(*, device_bound: bool) -> Kind:
    """The kind of a passkey."""
    return "device-bound" if device_bound else "synced"


def words(step: Asking) -> str:
    """How a step wants to be signed: ``signed``, ``signed (a passkey counts)``; empty: it need not be."""
    return ("", "signed (a passkey counts)", "signed (a device-bound passkey counts)", "signed")[asked(step)]


def written(step: Asking) -> bool | str:
    """``signed`` of a step, as a policy writes it."""
    return next((word for word, accepted in SIGNED.items() if step.signed and accepted == step.passkey), step.signed)


def by(approval: Given) -> str:
    """How an approval is signed: ``signed``, ``signed by a synced passkey``, ``not signed``."""
    return ("not signed", "signed by a synced passkey", "signed by a device-bound passkey", "signed")[given(approval)]


def fingerprint(credential: str, public_key: str) -> str:
    """What people compare of a passkey, on the page and in the terminal: four groups of four letters, 80 bits."""
    made = hashlib.sha256(f"{credential}\n{public_key}".encode("ascii")).digest()
    text = b32encode(made[:10]).decode("ascii").lower()
    return "-".join(text[at : at + 4] for at in range(0, 16, 4))
