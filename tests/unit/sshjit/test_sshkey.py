"""Public keys: what is taken, and everything that is not."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sshjit import sshkey
from sshjit.errors import Invalid
from sshjit.sshwire import mpint, string, text
from sshjit_host.formats import sshkey as host_sshkey
from tests.unit.sshjit.core_world import KEYS, attempt, blob, broken, keygen, quick, vector

P = 2**255 - 19
GOOD_POINT = blob("ed25519")[-32:]
MODULUS = 2**3071 + 1


def ed25519(point: bytes) -> bytes:
    return text("ssh-ed25519") + string(point)


def rsa(exponent: bytes, modulus: bytes) -> bytes:
    return text("ssh-rsa") + exponent + modulus


def refusal(raw: bytes) -> str:
    with pytest.raises(Invalid) as caught:
        sshkey.parse_blob(raw)
    return caught.value.code


@quick
@given(st.sampled_from(KEYS).map(blob).flatmap(broken))
def test_t6_a_damaged_key_is_refused_or_another_key(raw: bytes) -> None:
    found = attempt(sshkey.parse_blob, raw)
    if not isinstance(found, Invalid):
        assert found.blob == raw == text(found.type) + found.body
        assert sshkey.parse_line(found.line) == found


@quick
@given(st.sampled_from(KEYS).map(vector), st.data())
def test_a_damaged_line_is_refused_or_a_key(line: str, data: st.DataObject) -> None:
    damaged = data.draw(broken(line.encode())).decode("latin-1")
    found = attempt(sshkey.parse_line, damaged)
    if not isinstance(found, Invalid):
        assert sshkey.parse_line(found.line) == found
        assert found.line.isascii()


@quick
@given(st.text(max_size=60), st.binary(max_size=60))
def test_anything_else_is_refused(line: str, raw: bytes) -> None:
    assert isinstance(attempt(sshkey.parse_line, line), Invalid)
    assert isinstance(attempt(sshkey.parse_blob, raw), Invalid)


@pytest.mark.parametrize("name", KEYS)
def test_t6_a_certificate_is_not_a_key(name: str) -> None:
    for kind in ("user", "host"):
        assert refusal(blob(f"{name}-{kind}-cert")) == "certificate_as_key"
        with pytest.raises(Invalid):
            sshkey.parse_line(vector(f"{name}-{kind}-cert"))


@pytest.mark.parametrize("suffix", ["", "-v01@openssh.com"])
def test_t6_a_post_quantum_certificate_is_named_and_no_key_of_a_type_to_come(suffix: str) -> None:
    written = blob("post-quantum/mldsa44-ed25519-user-cert")
    raw = text(f"ssh-mldsa44-ed25519-cert{suffix}") + written[4 + len("ssh-mldsa44-ed25519-cert") :]
    assert suffix or raw == written
    line = f"ssh-mldsa44-ed25519-cert{suffix} {base64.b64encode(raw).decode('ascii')}"
    for act in (lambda: sshkey.parse_line(line), lambda: sshkey.known_lines((line,)), lambda: sshkey.is_unknown(raw)):
        with pytest.raises(Invalid, match="a post-quantum certificate") as caught:
            act()
        assert caught.value.code == "certificate_as_key"
        assert "ssh-keygen -t ed25519" in caught.value.hint
    with pytest.raises(ValueError, match="is neither"):
        host_sshkey.check_blob(raw)


def test_a_post_quantum_key_is_of_a_type_to_come() -> None:
    assert refusal(blob("post-quantum/mldsa44-ed25519")) == "bad_key_type"
    assert sshkey.known_lines((vector("post-quantum/mldsa44-ed25519").strip(),)) == ((), ("ssh-mldsa44-ed25519",))
    with pytest.raises(host_sshkey.UnknownType, match="ssh-mldsa44-ed25519"):
        host_sshkey.check_blob(blob("post-quantum/mldsa44-ed25519"))


@pytest.mark.parametrize("name", KEYS)
def test_t6_trailing_bytes_are_refused(name: str) -> None:
    for tail in (b"\0", string(b""), blob(name)):
        assert refusal(blob(name) + tail) == "trailing_bytes"


@pytest.mark.parametrize("name", KEYS)
def test_t7_no_type_can_be_exchanged_for_another(name: str) -> None:
    key = sshkey.parse_line(vector(name))
    for other in {sshkey.parse_line(vector(each)).type for each in KEYS} - {key.type}:
        refusal(text(other) + key.body)
        with pytest.raises(Invalid):
            sshkey.parse_line(f"{other} {vector(name).split()[1]}")


def test_t7_an_sk_key_is_not_an_ed25519_key() -> None:
    sk = sshkey.parse_line(vector("sk-ed25519"))
    assert sk.hardware
    assert refusal(text("ssh-ed25519") + sk.body) == "trailing_bytes"
    assert refusal(text("sk-ssh-ed25519@openssh.com") + string(GOOD_POINT)) == "truncated"


@pytest.mark.parametrize("application", [b"", b"webauthn", b"ssh", b"ssh:\n", b"ssh:\xc3\xa9", b"ssh:" + b"x" * 200])
def test_an_sk_key_belongs_to_ssh(application: bytes) -> None:
    refusal(text("sk-ssh-ed25519@openssh.com") + string(GOOD_POINT) + string(application))


def test_t6_dsa_and_unknown_types_are_refused() -> None:
    dsa = text("ssh-dss") + mpint(2**1023 + 1) + mpint(2**159 + 1) + mpint(2) + mpint(3)
    assert refusal(dsa) == refusal(text("ssh-ed448") + string(b"x" * 57)) == refusal(text("")) == "bad_key_type"


@pytest.mark.parametrize(
    ("exponent", "modulus", "code"),
    [
        (65537, 2**3070 + 1, "weak_key"),
        (65537, 2**2047 + 1, "weak_key"),
        (65537, 2**8192 + 1, "weak_key"),
        (65537, 2**16383 + 1, "weak_key"),
        (65537, 0, "weak_key"),
        (65537, MODULUS + 1, "bad_key"),
        (0, MODULUS, "bad_key"),
        (1, MODULUS, "bad_key"),
        (2, MODULUS, "bad_key"),
        (65536, MODULUS, "bad_key"),
        (2**33 + 1, MODULUS, "bad_key"),
        (2**256 + 1, MODULUS, "bad_key"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{value.bit_length()}bit",
)
def test_t6_rsa_keys_that_are_small_or_improper_are_refused(exponent: int, modulus: int, code: str) -> None:
    assert refusal(rsa(mpint(exponent), mpint(modulus))) == code


def test_t6_rsa_numbers_have_one_spelling() -> None:
    assert sshkey.parse_blob(rsa(mpint(3), mpint(MODULUS))).type == "ssh-rsa"
    padded = string(b"\0\0" + MODULUS.to_bytes(384, "big"))
    negative = string(MODULUS.to_bytes(384, "big"))
    assert refusal(rsa(mpint(3), padded)) == refusal(rsa(mpint(3), negative)) == "bad_mpint"


@pytest.mark.parametrize("bits", ["256", "384", "521"])
def test_t6_points_off_the_curve_are_refused(bits: str) -> None:
    key = sshkey.parse_line(vector(f"ecdsa-{bits}"))
    size = (int(bits) + 7) // 8
    head, x, y = key.blob[: -2 * size - 1], key.blob[-2 * size : -size], key.blob[-size:]
    off = (int.from_bytes(y, "big") ^ 1).to_bytes(size, "big")
    assert refusal(head + b"\4" + x + off) == "off_curve"
    assert refusal(head + b"\4" + bytes(2 * size)) == "off_curve"
    assert refusal(head + b"\4" + b"\xff" * size + y) == "off_curve"
    assert refusal(head + b"\2" + x + y) == "bad_key"
    compressed = key.blob[: len(head) - 4] + string(bytes([2 + y[-1] % 2]) + x)
    assert refusal(compressed) == refusal(key.blob[: len(head) - 4] + string(b"\0")) == "bad_key"


@pytest.mark.parametrize("coordinate", ["x", "y"])
def test_t6_a_coordinate_has_one_spelling(coordinate: str) -> None:
    raw, prime = blob("ecdsa-521"), 2**521 - 1  # the only curve whose coordinates have room for a second one
    end = len(raw) if coordinate == "y" else len(raw) - 66
    again = int.from_bytes(raw[end - 66 : end], "big") + prime
    assert refusal(raw[: end - 66] + again.to_bytes(66, "big") + raw[end:]) == "off_curve"


def small_order_points() -> list[bytes]:
    """The canonical encodings of all points whose order divides 8, found by doubling (RFC 8032, section 5.1)."""
    d = -121665 * pow(121666, -1, P) % P
    root = pow(2, (P - 1) // 4, P)
    # y of order 8: doubling gives y = 0, so x² = -y², so d·y⁴ + 2·y² - 1 = 0.
    inner = (1 + d) % P
    square_root = pow(inner, (P + 3) // 8, P)
    square_root = square_root if square_root**2 % P == inner else square_root * root % P
    found = {0, 1, P - 1}
    for sign in (1, -1):
        y_square = (-1 + sign * square_root) * pow(d, -1, P) % P
        y = pow(y_square, (P + 3) // 8, P)
        found |= {each % P for y in (y, y * root) if y * y % P == y_square for each in (y, -y)}
    return [(y | sign << 255).to_bytes(32, "little") for y in sorted(found) for sign in (0, 1)]


def test_t6_points_of_small_order_are_refused() -> None:
    points = small_order_points()
    assert len(points) == 10
    assert {refusal(ed25519(point)) for point in points} == {"weak_key"}


def test_t6_points_written_with_too_large_a_number_are_refused() -> None:
    for y in range(P, 2**255):
        refusal(ed25519(y.to_bytes(32, "little")))


@quick
@given(st.binary(min_size=32, max_size=32))
def test_t6_an_ed25519_point_is_taken_if_and_only_if_it_is_a_good_one(point: bytes) -> None:
    found = attempt(sshkey.parse_blob, ed25519(point))
    good = _on_curve(int.from_bytes(point, "little") & (2**255 - 1)) and point not in small_order_points()
    assert isinstance(found, Invalid) is not good


def _on_curve(y: int) -> bool:
    """By the definition: whether x² has a root, by taking it."""
    d = -121665 * pow(121666, -1, P) % P
    x_square = (y * y - 1) * pow(d * y * y + 1, -1, P) % P
    x = pow(x_square, (P + 3) // 8, P)
    return y < P and (x * x - x_square) % P in (0, -2 * x_square % P)


@pytest.mark.parametrize("length", [0, 31, 33])
def test_t6_an_ed25519_key_has_32_bytes(length: int) -> None:
    assert refusal(ed25519(GOOD_POINT[:length].ljust(length, b"\0"))) == "bad_key"


@pytest.mark.parametrize(
    "line", ["", "ssh-ed25519", " \n", "ssh-ed25519 !!!!", "ssh-ed25519 \u00e9\u00e9\u00e9\u00e9", "a b c"]
)
def test_lines_that_are_none(line: str) -> None:
    with pytest.raises(Invalid):
        sshkey.parse_line(line)


def test_a_line_is_one_line_and_not_endless() -> None:
    line = vector("ed25519")
    assert sshkey.parse_line(f"  {line.strip()} a comment, however long  \n").line == " ".join(line.split()[:2])
    for bad in (line + line, line.replace(" ", "\n", 1), line.strip() + " x" * 16384):
        with pytest.raises(Invalid):
            sshkey.parse_line(bad)


@pytest.mark.parametrize("name", KEYS)
def test_openssh_reads_the_line_that_we_write(name: str, tmp_path: Path) -> None:
    key = sshkey.parse_line(vector(name))
    (tmp_path / "key.pub").write_text(key.line)
    assert keygen("-l", "-f", tmp_path / "key.pub").split()[1] == key.fingerprint
    assert base64.b64decode(key.line.split()[1]) == key.blob
