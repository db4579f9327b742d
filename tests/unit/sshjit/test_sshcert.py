"""Certificates as bytes: one spelling, and nothing that we would not write."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sshjit import sshcert
from sshjit.errors import Invalid
from sshjit.sshcert import Certificate
from sshjit.sshkey import parse_line
from sshjit.sshwire import U64_MAX, Reader, string, text, u32, u64
from tests.unit.sshjit.core_world import KEYS, attempt, blob, broken, quick, vector

CERTIFICATES = [f"{name}-{kind}-cert" for name in KEYS for kind in ("user", "host")]
WHOLE, SIGNED, SIGNATURE = sshcert.parse_line(vector("ed25519-user-cert"))
ascii_text = st.text(st.characters(max_codepoint=127), max_size=12)
options = st.dictionaries(ascii_text, st.none() | ascii_text, max_size=4).map(
    lambda found: tuple(sorted(found.items()))
)
certificates = st.builds(
    Certificate,
    key=st.sampled_from(KEYS).map(vector).map(parse_line),
    kind=st.sampled_from([1, 2]),
    serial=st.integers(1, U64_MAX),
    key_id=ascii_text,
    principals=st.lists(ascii_text.filter(bool), min_size=1, max_size=4, unique=True).map(tuple),
    valid_after=st.integers(1, 2**40),
    valid_before=st.integers(2**40 + 1, U64_MAX - 1),
    critical=options,
    extensions=options,
    nonce=st.binary(max_size=40),
    ca_blob=st.binary(max_size=40),
)


@quick
@given(certificates, st.binary(max_size=40))
def test_every_certificate_reads_back(certificate: Certificate, signature: bytes) -> None:
    signed = sshcert.encode(certificate)
    whole = sshcert.seal(signed, signature)
    assert sshcert.parse_blob(whole) == (certificate, signed, signature)
    assert sshcert.parse_blob(whole, checked=certificate.key) == (certificate, signed, signature)
    assert sshcert.parse_line(sshcert.line(whole)) == (certificate, signed, signature)


@quick
@given(st.sampled_from(CERTIFICATES).map(blob).flatmap(broken))
def test_t6_a_damaged_certificate_is_refused_or_has_the_same_bytes(raw: bytes) -> None:
    found = attempt(sshcert.parse_blob, raw)
    if not isinstance(found, Invalid):
        certificate, signed, signature = found
        assert sshcert.encode(certificate) == signed
        assert sshcert.seal(signed, signature) == raw


@quick
@given(st.sampled_from(CERTIFICATES), st.data())
def test_t7_a_key_that_was_checked_before_changes_nothing(name: str, data: st.DataObject) -> None:
    raw = data.draw(broken(blob(name)))
    key = parse_line(vector(data.draw(st.sampled_from(KEYS))))
    with_it, without = attempt(sshcert.parse_blob, raw, checked=key), attempt(sshcert.parse_blob, raw)
    assert with_it == without or (isinstance(with_it, Invalid) and isinstance(without, Invalid))


@quick
@given(st.sampled_from(CERTIFICATES).map(vector), st.data())
def test_a_damaged_line_is_refused_or_a_certificate(line: str, data: st.DataObject) -> None:
    found = attempt(sshcert.parse_line, data.draw(broken(line.encode())).decode("latin-1"))
    if not isinstance(found, Invalid):
        assert sshcert.encode(found[0]) == found[1]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"principals": ()}, "no_principals"),
        ({"principals": ("",)}, "no_principals"),
        ({"principals": ("deploy@web1", "")}, "no_principals"),
        ({"principals": tuple(f"a@h{number}" for number in range(257))}, "no_principals"),
        ({"principals": ("a@b", "a@b")}, "bad_principal"),
        ({"serial": 0}, "bad_serial"),
        ({"serial": U64_MAX + 1}, "bad_serial"),
        ({"valid_before": U64_MAX}, "bad_validity"),
        ({"valid_after": 0}, "bad_validity"),
        ({"valid_after": WHOLE.valid_before}, "bad_validity"),
        ({"critical": (("verify-required", None), ("force-command", "x"))}, "bad_options"),
        ({"extensions": (("permit-pty", None), ("permit-pty", None))}, "bad_options"),
    ],
)
def test_t1_t4_t11_a_certificate_for_all_for_ever_or_past_revoking_cannot_be_said(change: Any, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        dataclasses.replace(WHOLE, **change)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "change",
    [
        {"principals": b""},
        {"principals": text("")},
        {"serial": u64(0)},
        {"valid_before": u64(U64_MAX)},
        {"valid_after": u64(0)},
    ],
    ids=repr,
)
def test_t1_t4_t11_nor_can_it_be_read(change: dict[str, bytes]) -> None:
    with pytest.raises(Invalid):
        sshcert.parse_blob(spelled(**change))


def test_the_greatest_serial_and_the_last_moment_can_be_said() -> None:
    latest = dataclasses.replace(WHOLE, serial=U64_MAX, valid_after=1, valid_before=U64_MAX - 1)
    assert sshcert.parse_blob(sshcert.seal(sshcert.encode(latest), SIGNATURE))[0] == latest
    most = dataclasses.replace(WHOLE, principals=tuple(f"a@h{number}" for number in range(256)))
    assert sshcert.parse_blob(sshcert.seal(sshcert.encode(most), SIGNATURE))[0] == most


def test_what_is_spelled_here_without_a_change_is_the_certificate() -> None:
    assert sshcert.parse_blob(spelled()) == (WHOLE, SIGNED, SIGNATURE)


def spelled(**change: bytes) -> bytes:
    """``WHOLE`` written field by field, with some fields replaced by other bytes."""
    fields = {
        "type": text(WHOLE.type),
        "nonce": string(WHOLE.nonce),
        "key": WHOLE.key.body,
        "serial": u64(WHOLE.serial),
        "kind": u32(WHOLE.kind),
        "key_id": text(WHOLE.key_id),
        "principals": b"".join(map(text, WHOLE.principals)),
        "valid_after": u64(WHOLE.valid_after),
        "valid_before": u64(WHOLE.valid_before),
        "critical": b"",
        "extensions": b"",
        "reserved": string(b""),
        "ca": string(WHOLE.ca_blob),
        "signature": string(SIGNATURE),
    }
    reader = Reader(SIGNED)
    reader.raw(len(b"".join(list(fields.values())[:6])))
    reader.raw(4 + len(fields["principals"]) + 16)
    fields["critical"], fields["extensions"] = reader.string(), reader.string()
    fields |= change
    return b"".join(string(v) if k in ("principals", "critical", "extensions") else v for k, v in fields.items())


@pytest.mark.parametrize(
    "change",
    [
        {"type": text("ssh-ed25519")},
        {"type": text("ssh-ed25519-cert-v00@openssh.com")},
        {"type": text("sk-ssh-ed25519-cert-v01@openssh.com")},
        {"type": text("ssh-ed25519-cert-v01@openssh.com-cert-v01@openssh.com")},
        {"type": text("sk-ssh-ed25519@openssh.com-cert-v01@openssh.com")},
        {"kind": u32(0)},
        {"kind": u32(3)},
        {"kind": u32(0xFFFFFFFF)},
        {"key": string(b"\1" + bytes(31))},
        {"reserved": string(b"x")},
        {"principals": text("a@b") + b"\0"},
        {"principals": string(b"\xff")},
        {"critical": text("force-command") + text("raw")},
        {"critical": text("force-command") + string(text("x") + b"\0")},
        {"critical": text("force-command")},
        {"extensions": (text("permit-pty") + string(b"")) * 2},
        {"extensions": text("permit-pty") + string(b"") + text("a") + string(b"")},
        {"signature": b""},
        {"signature": string(SIGNATURE) + b"\0"},
    ],
    ids=repr,
)
def test_t6_what_we_would_not_write_is_not_read(change: dict[str, bytes]) -> None:
    with pytest.raises(Invalid):
        sshcert.parse_blob(spelled(**change))


def test_t6_a_certificate_within_a_certificate_is_refused() -> None:
    nested = text("ssh-ed25519-cert-v01@openssh.com-cert-v01@openssh.com") + blob("ed25519-user-cert")[36:]
    with pytest.raises(Invalid):
        sshcert.parse_blob(nested)


def test_t6_an_oversize_certificate_is_refused() -> None:
    with pytest.raises(Invalid, match="too large"):
        sshcert.parse_blob(sshcert.seal(SIGNED, b"x" * sshcert.MAX_BYTES))


def test_a_line_is_one_line_and_its_two_types_agree() -> None:
    line = vector("ed25519-user-cert")
    for bad in (
        line + line,
        line.replace("ssh-ed25519", "ssh-rsa", 1),
        line.split()[1],
        "x y",
        "",
        "a " + "\u00e9" * 4,
    ):
        with pytest.raises(Invalid):
            sshcert.parse_line(bad)


def test_t9_text_that_is_not_ascii_cannot_be_written() -> None:
    for change in (
        {"key_id": "caf\u00e9"},
        {"principals": ("caf\u00e9@a",)},
        {"critical": (("force-command", "\u00e9"),)},
    ):
        changed: dict[str, Any] = change
        with pytest.raises(Invalid):
            sshcert.encode(dataclasses.replace(WHOLE, **changed))
