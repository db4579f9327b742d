"""What every reader of bundles must refuse, and what is in order: one table for the core, laptops and hosts.

Each case replaces fields of a bundle that is in order; ``code`` is the core's, which names what is wrong.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import Any

from sshjit.sshwire import string, u64
from tests.fuzz.openssh_targets import blobs

LOG = "lab/log"
_PUBLIC = bytes(range(32))
_HASH = hashlib.sha256(f"{LOG}\n".encode() + b"\x01" + _PUBLIC).digest()[:4]
LOG_KEY = f"{LOG}+{_HASH.hex()}+{base64.b64encode(bytes([1]) + _PUBLIC).decode()}"
"""A verifier key (C2SP signed-note); nobody has the private half, and no reader needs it."""
_HEAD = base64.b64encode(bytes(32)).decode()
_SIGNATURE = base64.b64encode(_HASH + bytes(64)).decode()
CHECKPOINT = f"{LOG}\n7\n{_HEAD}\n\n\N{EM DASH} {LOG} {_SIGNATURE}\n"
GRANT = "req-0123456789"
OTHER = "req-9876543210"
_START = b"SSHKRL\n\0\0\0\0\1" + bytes(24 + 8)


@dataclass(frozen=True, slots=True)
class Case:
    """``name`` says what is wrong with the fields that ``change`` replaces; without ``code`` nothing is."""

    name: str
    change: dict[str, Any]
    code: str = ""


def krl(*sections: tuple[int, bytes]) -> str:
    """A list of these sections, in base64."""
    raw = _START + b"".join(bytes([kind]) + string(body) for kind, body in sections)
    return base64.b64encode(raw).decode()


def _of_ca(*parts: tuple[int, bytes], ca: bytes | None = None) -> tuple[int, bytes]:
    """The section of one CA's certificates."""
    named = _CA if ca is None else ca
    return 1, string(named) + string(b"") + b"".join(bytes([kind]) + string(body) for kind, body in parts)


_CA, _HARDWARE = blobs("ed25519.pub")[0], blobs("sk-ed25519.pub")[0]
_LINE = f"ssh-ed25519 {base64.b64encode(_CA).decode()}"
_SERIALS = (0x20, u64(1) + u64(2**64 - 1))
_WHOLE = krl(_of_ca(_SERIALS, (0x21, u64(3) + u64(9)), (0x22, u64(64) + string(b"\x05")), (0x23, string(b"id"))))


def _cut(encoded: str, end: int) -> str:
    return base64.b64encode(base64.b64decode(encoded)[:end]).decode()


def _note(text: str) -> dict[str, Any]:
    return {"checkpoint": text}


_NEW = string(b"ssh-made-up@example.com") + string(bytes(40))
NEW_LINE = f"ssh-made-up@example.com {base64.b64encode(_NEW).decode()}"
"""A key of a type that nobody knows."""
_NEW_SECTION = _of_ca(_SERIALS, ca=_NEW)
_RELATED = ("sk-ssh-made-up@example.com", "ecdsa-sha2-nistp999")
"""Types that came later, and whose names begin like those of known ones."""


def _related(kind: str) -> bytes:
    return string(kind.encode()) + string(bytes(40))


def _line(kind: str) -> str:
    return f"{kind} {base64.b64encode(_related(kind)).decode()}"


def krl_section(line: str) -> bytes:
    """A section of a list that refuses the serial 7 of a CA's certificates."""
    kind, body = _of_ca((0x20, u64(7)), ca=base64.b64decode(line.split()[1]))
    return bytes([kind]) + string(body)


TOLERATED: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "a field": ({"weather": {"today": "fine"}}, ()),
    "an object's field": ({"succession": [], "providers": []}, ()),
    "a CA's key": ({"user_ca": [NEW_LINE, _LINE]}, ("keys of the type ssh-made-up@example.com in user_ca",)),
    "a host CA's key": ({"host_ca": [_LINE, NEW_LINE]}, ("keys of the type ssh-made-up@example.com in host_ca",)),
    "a retired key": ({"retired": [NEW_LINE]}, ("keys of the type ssh-made-up@example.com in retired",)),
    "certificates by such a key": (
        {"krl": krl(_of_ca(_SERIALS), _NEW_SECTION, (2, string(_CA)))},
        ("certificates by a key of the type ssh-made-up@example.com in the revocation list",),
    ),
    "nothing but such certificates": (
        {"krl": krl(_NEW_SECTION)},
        ("certificates by a key of the type ssh-made-up@example.com in the revocation list",),
    ),
    "such a key, refused whole": (
        {"krl": krl((2, string(_NEW) + string(_CA)))},
        ("keys of the type ssh-made-up@example.com in the revocation list",),
    ),
    "nothing but such a key, refused whole": (
        {"krl": krl((2, string(_NEW)), _of_ca(_SERIALS))},
        ("keys of the type ssh-made-up@example.com in the revocation list",),
    ),
    "a section": ({"krl": krl((9, b"what"), _of_ca(_SERIALS))}, ("a section of the type 9 in the revocation list",)),
    **{
        f"{kind}, everywhere": (
            {
                "user_ca": [_LINE, _line(kind)],
                "krl": krl(_of_ca(_SERIALS, ca=_related(kind)), (2, string(_related(kind)) + string(_CA))),
            },
            (
                f"keys of the type {kind} in user_ca",
                f"certificates by a key of the type {kind} in the revocation list",
                f"keys of the type {kind} in the revocation list",
            ),
        )
        for kind in _RELATED
    },
    "a critical field that is known": ({"critical": ["krl", "host_keys"], "release": "9.9.9"}, ()),
    "a later CA": ({"version": 99, "oldest": 98, "release": "9.9.9"}, ()),
}
"""What came later and is left out by rule (``docs/protocol.md``): the change, and what is said of it."""
TOO_OLD = (
    {"critical": ["krl", "weather"], "weather": "fine", "release": "9.9.9"},
    {"bundle": 3, "release": "9.9.9"},
    {"user_ca": [NEW_LINE], "release": "9.9.9"},
    {"host_ca": [NEW_LINE, NEW_LINE], "release": "9.9.9"},
)
"""What a reader of today may not go by."""

CASES = (
    Case("every kind of section", {"krl": _WHOLE}),
    *(Case(f"{name} of a type that came later", change) for name, (change, _) in TOLERATED.items()),
    Case("a hash section of a made-up length", {"krl": krl((5, b"what"))}, "bad_krl"),
    Case("a key of two types", {"user_ca": [_LINE, f"ssh-other {NEW_LINE.split()[1]}"]}, "bad_key"),
    Case("a made-up key in another spelling", {"user_ca": [_LINE, f"{NEW_LINE} comment"]}, "bad_key"),
    Case("a made-up key behind a blank", {"user_ca": [_LINE, f" {NEW_LINE}"]}, "bad_key"),
    *(
        Case(f"a type that is no name: {kind[:9]}", {"user_ca": [_LINE, _line(kind)]}, "bad_key_type")
        for kind in ("a,b", "a\x7fb", "x" * 65)
    ),
    Case("no key at all", {"host_ca": []}, "bad_bundle"),
    Case("a critical field that is no name", {"critical": "krl"}, "bad_bundle"),
    Case("grants", {"ended": [[GRANT, 1], [OTHER, 2]], "extended": [[GRANT, 2**53 - 1]]}),
    Case("a witness beside the log's key", _note(CHECKPOINT + f"\N{EM DASH} witness.example AAAA{_HEAD}\n")),
    Case("the largest log", _note(CHECKPOINT.replace("\n7\n", f"\n{2**40 - 1}\n"))),
    # the revocation list
    *(Case(f"a list cut to {end}", {"krl": _cut(_WHOLE, end)}, "bad_krl") for end in (0, 8, 11, 12, 43, 47, 60, -1)),
    Case("bytes after the list", {"krl": krl((2, string(_CA)))[:-4] + "AAAA"}, "bad_krl"),
    Case("another version of the list", {"krl": base64.b64encode(_START.replace(b"\1", b"\2")).decode()}, "bad_krl"),
    Case("not base64", {"krl": "!"}, "bad_krl"),
    Case("base64 with a newline", {"krl": _WHOLE + "\n"}, "bad_krl"),
    Case("every CA", {"krl": krl(_of_ca(_SERIALS, ca=b""))}, "bad_krl"),
    Case("a CA that is no key", {"krl": krl(_of_ca(_SERIALS, ca=b"ssh-ed25519"))}, "bad_krl"),
    Case("a CA that is a hardware key", {"krl": krl(_of_ca(_SERIALS, ca=_HARDWARE))}, "bad_krl"),
    Case("the serial 0", {"krl": krl(_of_ca((0x20, u64(7) + u64(0))))}, "bad_krl"),
    Case("no serials", {"krl": krl(_of_ca((0x20, b"")))}, "bad_krl"),
    Case("half a serial", {"krl": krl(_of_ca((0x20, u64(7)[:5])))}, "bad_krl"),
    Case("a range from 0", {"krl": krl(_of_ca((0x21, u64(0) + u64(9))))}, "bad_krl"),
    Case("a range backwards", {"krl": krl(_of_ca((0x21, u64(9) + u64(3))))}, "bad_krl"),
    Case("a bitmap of nothing", {"krl": krl(_of_ca((0x22, u64(7) + string(b""))))}, "bad_krl"),
    Case("a bitmap of the serial 0", {"krl": krl(_of_ca((0x22, u64(0) + string(b"\1"))))}, "bad_krl"),
    Case("a bitmap past the last serial", {"krl": krl(_of_ca((0x22, u64(2**64 - 1) + string(b"\2"))))}, "bad_krl"),
    Case("an empty key id", {"krl": krl(_of_ca((0x23, string(b""))))}, "bad_krl"),
    Case("a kind of certificates that is unknown", {"krl": krl(_of_ca((0x24, b"")))}, "bad_krl"),
    Case("keys by their hash", {"krl": krl((3, string(bytes(20))))}, "bad_krl"),
    Case("a signed list", {"krl": krl((4, string(_CA)))}, "bad_krl"),
    Case("no keys", {"krl": krl((2, b""))}, "bad_krl"),
    Case("a hardware key refused whole", {"krl": krl((2, string(_HARDWARE)))}, "bad_krl"),
    # grants
    *(
        Case(f"the grant {grant!r}", {field: [[grant, 5]]}, "bad_id")
        for field, grant in (("ended", ""), ("ended", "../x"), ("extended", "req-1"), ("extended", f"{GRANT}\n"))
    ),
    *(Case(f"a grant at {time}", {"ended": [[GRANT, time]]}, "bad_bundle") for time in (0, -1, 2**53)),
    Case("a grant twice", {"extended": [[GRANT, 5], [GRANT, 6]]}, "bad_bundle"),
    Case("a time that is text", {"ended": [[GRANT, "5"]]}, "bad_message"),
    # what bastions let through
    Case("a way through a bastion", {"bastions": [["gate", "via/app1~2@gate", "fd77::5", 22]]}),
    *(
        Case(f"the way {row}", {"bastions": [row]}, code)
        for row, code in (
            (["gate", "deploy@gate", "10.0.0.5", 22], "bad_bundle"),
            (["gate", "via/app1@other", "10.0.0.5", 22], "bad_bundle"),
            (["gate", "via/app1@gate", "*", 22], "bad_address"),
            (["gate", "via/app1@gate", "10.0.0.5", 0], "bad_port"),
            (["gate", "via/app1@gate", "10.0.0.5"], "bad_message"),
        )
    ),
    # the log
    *(
        Case(f"the log key {key[:24]!r}", {"log_key": key}, "bad_verifier_key")
        for key in ("", "lab/log", f"{LOG}+00000000+AAAA", LOG_KEY[:-4], LOG_KEY.replace("lab", "lob"), f"{LOG_KEY}\n")
    ),
    Case("no checkpoint", _note(""), "bad_checkpoint"),
    Case("a checkpoint without signatures", _note(CHECKPOINT.partition("\n\n")[0] + "\n\n"), "unsigned_checkpoint"),
    Case("a checkpoint by another key", _note(CHECKPOINT.replace(_SIGNATURE, "AAAA" + _SIGNATURE[4:])),
         "unsigned_checkpoint"),
    Case("a signature cut short", _note(CHECKPOINT.replace(_SIGNATURE, _SIGNATURE[:-4])), "unsigned_checkpoint"),
    Case("another log's checkpoint", _note(CHECKPOINT.replace(LOG, "other/log")), "unsigned_checkpoint"),
    Case("a head that is too short", _note(CHECKPOINT.replace(_HEAD, "AAAA")), "bad_checkpoint"),
    *(
        Case(f"a size of {size!r}", _note(CHECKPOINT.replace("\n7\n", f"\n{size}\n")), "bad_checkpoint")
        for size in ("", "-1", "07", "7.0", str(2**40), "9" * 13)
    ),
    Case("a fourth line", _note(CHECKPOINT.replace("\n7\n", "\n7\nmore\n")), "bad_checkpoint"),
    # what was checked before, alike
    Case("a CA key twice", {"user_ca": [_LINE, _LINE]}, "bad_bundle"),
    Case("a sequence beyond 53 bits", {"sequence": 2**53}, "bad_bundle"),
    Case("an end beyond 53 bits", {"expires": 2**53}, "bad_bundle"),
)  # fmt: skip
