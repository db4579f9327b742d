"""What a host must not believe: each of these is refused, with its exit code, and nothing on the disk changes."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import host_machine
from tests.support.bundle_cases import NEW_LINE
from tests.support.host_machine import Authority, Front, Host, line, make_key

Mutation = Callable[[Authority, Host], dict[str, Any]]


def _text(krl: bytes) -> str:
    return base64.b64encode(krl).decode()


def _string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _krl(*sections: tuple[int, bytes]) -> str:
    """A KRL with a header as OpenSSH writes it, and these sections."""
    header = b"SSHKRL\n\0" + struct.pack(">IQQQ", 1, 1, 1, 0) + _string(b"") + _string(b"")
    return _text(header + b"".join(bytes([kind]) + _string(body) for kind, body in sections))


def _certificates(kind: int, body: bytes, *, ca: bytes | None = None) -> str:
    """A KRL with one section about certificates of a CA, by default an Ed25519 one."""
    named = _string(b"ssh-ed25519") + _string(bytes(32)) if ca is None else ca
    return _krl((1, _string(named) + _string(b"") + bytes([kind]) + _string(body)))


def _altered(**changes: Any) -> Mutation:
    """The offer of a newer bundle, soundly signed, with these fields instead."""
    return lambda authority, _: authority.offer(**{"sequence": 9, **changes})


def _missing(name: str) -> Mutation:
    def make(authority: Authority, _: Host) -> dict[str, Any]:
        fields = {key: value for key, value in authority.fields(sequence=9).items() if key != name}
        return _signed(authority, json.dumps(fields, sort_keys=True, separators=(",", ":")))

    return make


def _signed(authority: Authority, text: str, sequence: int = 9) -> dict[str, Any]:
    return {"sequence": sequence, "bundle": text, "signature": authority.sign(text)}


def _other_key(authority: Authority, host: Host) -> dict[str, Any]:
    offer = authority.offer(sequence=9)
    return {**offer, "signature": authority.sign(offer["bundle"], key=make_key(authority.folder / "rogue"))}


def _other_root(authority: Authority, host: Host) -> dict[str, Any]:
    rogue = make_key(authority.folder / "rogue")
    offer = authority.offer(sequence=9, root=line(rogue))
    return {**offer, "signature": authority.sign(offer["bundle"], key=rogue)}


def _other_namespace(authority: Authority, _: Host) -> dict[str, Any]:
    offer = authority.offer(sequence=9)
    return {**offer, "signature": authority.sign(offer["bundle"], space="login@ssh-jit")}


def _changed_afterwards(authority: Authority, _: Host) -> dict[str, Any]:
    offer = authority.offer(sequence=9)
    return {**offer, "bundle": offer["bundle"].replace('"sequence":9', '"sequence":8'), "sequence": 8}


def _other_envelope(authority: Authority, _: Host) -> dict[str, Any]:
    return {**authority.offer(sequence=9), "sequence": 10}


def _not_canonical(authority: Authority, _: Host) -> dict[str, Any]:
    return _signed(authority, json.dumps(authority.fields(sequence=9)))


def _twice(authority: Authority, _: Host) -> dict[str, Any]:
    return _signed(authority, authority.offer(sequence=8)["bundle"][:-1] + ',"sequence":9}')


def _short_krl(authority: Authority, _: Host) -> dict[str, Any]:
    return authority.offer(sequence=9, krl=_text(authority.krl("serial: 1-9000\nid: somebody\n")[:-3]))


def _owners_key(authority: Authority, host: Host) -> dict[str, Any]:
    owner = make_key(authority.folder / "owner")
    return authority.offer(sequence=9, krl=_text(authority.krl(f"{line(owner)}\n")))


def _owners_fingerprint(authority: Authority, host: Host) -> dict[str, Any]:
    owner = make_key(authority.folder / "owner")
    return authority.offer(sequence=9, krl=_text(authority.krl(f"sha256: {line(owner)}\n")))


def _weak_rsa(authority: Authority, host: Host) -> dict[str, Any]:
    return authority.offer(sequence=9, user_ca=[line(make_key(authority.folder / "weak", "-t", "rsa", "-b", "2048"))])


def _commented(authority: Authority, _: Host) -> dict[str, Any]:
    return authority.offer(sequence=9, user_ca=[line(authority.user_ca) + " comment"])


def _second_line(authority: Authority, _: Host) -> dict[str, Any]:
    return authority.offer(sequence=9, user_ca=[f"{line(authority.user_ca)}\n{line(authority.host_ca)}"])


def _html(authority: Authority, _: Host) -> dict[str, Any]:
    return authority.offer(sequence=9, user_ca=["<!DOCTYPE html><html><body>404 Not Found</body></html>"])


def _certificate(authority: Authority, host: Host) -> dict[str, Any]:
    key = authority.certificate("anybody", 901)
    text = " ".join((key.parent / f"{key.name}-cert.pub").read_text().split()[:2])
    return authority.offer(sequence=9, user_ca=[text])


_OFF_CURVE = _string(b"ecdsa-sha2-nistp256") + _string(b"nistp256") + _string(b"\x04" + b"\x01" * 64)
_SK = _string(b"sk-ssh-ed25519@openssh.com") + _string(bytes(32)) + _string(b"ssh:")
_LONG = _string(b"ssh-ed25519") + _string(bytes(32)) + b"\0"

MUTATIONS: dict[str, Mutation] = {
    "a page in place of a key": _html,
    "signed by another key": _other_key,
    "another root that signed itself": _other_root,
    "another namespace": _other_namespace,
    "changed after signing": _changed_afterwards,
    "signature of nothing": lambda authority, _: {**authority.offer(sequence=9), "signature": ""},
    "another sequence around it": _other_envelope,
    "lower sequence": _altered(sequence=4),
    "same sequence, other text": _altered(sequence=5, issued=7),
    "another installation": _altered(installation="other"),
    "installation with a newline": _altered(installation="lab\nlab"),
    "not in its one spelling": _not_canonical,
    "a field twice": _twice,
    "a field missing": _missing("ended"),
    "another format": _altered(bundle=3),
    "a critical field unknown": _altered(bundle=2, critical=["extra"], extra=1),
    "only a user CA of a type unknown": _altered(user_ca=[NEW_LINE]),
    "a user CA that says two types": lambda a, _: a.offer(
        sequence=9, user_ca=[line(a.user_ca), f"ssh-other {NEW_LINE.split()[1]}"]
    ),
    "format true": _altered(bundle=True),
    "sequence 0": _altered(sequence=0),
    "expired before issued": _altered(issued=10, expires=9),
    "no user CA": _altered(user_ca=[]),
    "no host CA": _altered(host_ca=[]),
    "user CA a star": _altered(user_ca=["*"]),
    "user CA not base64": _altered(user_ca=["ssh-ed25519 AAAA!"]),
    "user CA with a comment": _commented,
    "user CA with options": lambda a, _: a.offer(sequence=9, user_ca=[f"cert-authority {line(a.user_ca)}"]),
    "user CA of two lines": _second_line,
    "user CA twice": lambda a, _: a.offer(sequence=9, user_ca=[line(a.user_ca)] * 2),
    "user CA a certificate": _certificate,
    "user CA weak RSA": _weak_rsa,
    "user CA off the curve": _altered(user_ca=["ecdsa-sha2-nistp256 " + _text(_OFF_CURVE)]),
    "user CA a token's key": _altered(user_ca=["sk-ssh-ed25519@openssh.com " + _text(_SK)]),
    "user CA with bytes left over": _altered(user_ca=["ssh-ed25519 " + _text(_LONG)]),
    "host CA malformed": _altered(host_ca=["ssh-ed25519 "]),
    "KRL of no bytes": _altered(krl=""),
    "KRL of zero bytes": _altered(krl=_text(bytes(64))),
    "KRL not base64": _altered(krl="*"),
    "KRL a list of plain keys": lambda a, _: a.offer(sequence=9, krl=_text(f"{line(a.user_ca)}\n".encode())),
    "KRL format 2": _altered(krl=_text(b"SSHKRL\n\0\0\0\0\2" + bytes(32))),
    "KRL cut short": _short_krl,
    "KRL with the owner's key": _owners_key,
    "KRL with the owner's fingerprint": _owners_fingerprint,
    "KRL with a signature section": _altered(krl=_krl((4, b""))),
    "KRL with an extension": _altered(krl=_krl((255, _string(b"x") + b"\1" + _string(b"")))),
    "KRL for every CA": _altered(krl=_certificates(0x20, struct.pack(">Q", 7), ca=b"")),
    "KRL with serial 0": _altered(krl=_certificates(0x20, struct.pack(">Q", 0))),
    "KRL with half a serial": _altered(krl=_certificates(0x20, b"1234")),
    "KRL with no serials": _altered(krl=_certificates(0x20, b"")),
    "KRL with a backward range": _altered(krl=_certificates(0x21, struct.pack(">QQ", 9, 8))),
    "KRL with serials past the end": _altered(krl=_certificates(0x22, struct.pack(">Q", 2**64 - 1) + _string(b"\2"))),
    "KRL with an empty key id": _altered(krl=_certificates(0x23, _string(b""))),
    "KRL with an unknown certificate section": _altered(krl=_certificates(0x39, b"")),
    "KRL for a CA that is no key": _altered(krl=_certificates(0x20, struct.pack(">Q", 7), ca=b"rubbish")),
    "ended not pairs": _altered(ended=[["req-00000001", "now"]]),
    "not text": lambda a, _: {**a.offer(sequence=9), "bundle": 7},
}


@pytest.fixture(scope="module")
def settled(authority: Authority, program: Path) -> Iterator[tuple[Front, Host]]:
    """A host that holds bundle 5 and has sshd set up."""
    with host_machine.front() as front, host_machine.host(authority, front, program) as host:
        front.serve(authority.offer(sequence=5))
        host.refresh()
        yield front, host


@pytest.mark.parametrize("name", MUTATIONS)
def test_t49_refused_and_nothing_changes(name: str, authority: Authority, settled: tuple[Front, Host]) -> None:
    front, host = settled
    front.serve(MUTATIONS[name](authority, host))
    before = host.snapshot()
    output = host.refresh(code=4)
    assert host.snapshot() == before, output


def test_after_all_that_was_refused_a_sound_bundle_is_taken(authority: Authority, settled: tuple[Front, Host]) -> None:
    front, host = settled
    front.serve(authority.offer(sequence=6))
    assert "took bundle 6" in host.refresh()


@pytest.mark.parametrize("name", ["another root that signed itself", "another namespace", "KRL with the owner's key"])
def test_refused_by_a_new_host_too_which_then_holds_nothing(
    name: str, authority: Authority, front: Front, host: Host
) -> None:
    front.serve(MUTATIONS[name](authority, host))
    host.refresh(code=4)
    assert {path.name for path in host.home.iterdir()} == {".lock", "problem.json"}
    assert list(host.dropins.iterdir()) == []


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b"\xff", b'{"sequence":1,"sequence":1}', b"[" * 200_000])
def test_answers_that_are_no_bundle(body: bytes, authority: Authority, front: Front, host: Host) -> None:
    front.body = body
    host.refresh(code=4)


@pytest.mark.parametrize("status", [302, 404, 500, 503])
def test_statuses_that_bring_no_bundle(status: int, authority: Authority, front: Front, host: Host) -> None:
    front.serve(authority.offer())
    front.status = status
    assert f"answers with status {status}" in host.refresh(code=8)
    assert front.statuses == [status], "no redirect is followed"


def test_a_held_bundle_that_cannot_be_read_is_not_silently_replaced(
    authority: Authority, front: Front, host: Host
) -> None:
    front.serve(authority.offer(sequence=5))
    host.refresh()
    (host.home / "bundle.json").write_text("{}")
    front.serve(authority.offer(sequence=4))
    output = host.refresh(code=1)
    assert f"hint: to join anew, with the pinned root alone to go by, remove {host.home}/bundle.json" in output
