"""Checkpoints: real Ed25519 signatures over C2SP notes, and texts that are no notes."""

from __future__ import annotations

import base64

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from sshjit import checkpoint
from sshjit.checkpoint import Checkpoint
from sshjit.errors import Invalid
from tests.unit.sshjit.core_world import attempt, broken, quick

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
POINT = Checkpoint("lab/ssh-jit", 12, bytes(range(32)))
NOTE = checkpoint.note(POINT, PUBLIC, KEY.sign(POINT.text.encode()))
SIGNED_LINE = NOTE.split("\n\n")[1]
WITNESS = f"\N{EM DASH} witness.example.com {base64.b64encode(bytes(76)).decode()}\n"

EXAMPLE_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
EXAMPLE_TEXT = "This is an example message.\n"
EXAMPLE_LINE = "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM="
"""A note and its verifier key that another implementation of the format made and publishes as its example."""


def test_another_implementation_s_key_and_signature_are_read_as_the_format_says() -> None:
    name, public = checkpoint.parse_verifier_key(EXAMPLE_KEY)
    raw = base64.b64decode(EXAMPLE_LINE)
    assert name == "example.com/foo"
    assert raw[:4] == checkpoint.key_hash(name, public) == bytes.fromhex("530d903a")
    Ed25519PublicKey.from_public_bytes(public).verify(raw[4:], EXAMPLE_TEXT.encode())
    assert checkpoint.verifier_key(name, public) == EXAMPLE_KEY


def test_a_note_has_the_shape_that_the_format_asks_for() -> None:
    assert POINT.text == "lab/ssh-jit\n12\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
    assert NOTE.startswith(POINT.text + "\n\N{EM DASH} lab/ssh-jit ")
    assert NOTE.endswith("\n")
    assert NOTE.count("\n") == 5


def test_a_note_reads_back_and_its_signature_is_real() -> None:
    point, signature = checkpoint.parse_note(NOTE, PUBLIC)
    assert point == POINT
    KEY.public_key().verify(signature, point.text.encode())
    with pytest.raises(InvalidSignature):
        KEY.public_key().verify(signature, Checkpoint(point.origin, 13, point.root).text.encode())


@pytest.mark.parametrize("lines", [WITNESS + SIGNED_LINE, SIGNED_LINE + WITNESS, "junk\n\n" + SIGNED_LINE])
def test_signatures_of_witnesses_are_passed_over(lines: str) -> None:
    assert checkpoint.parse_note(POINT.text + "\n" + lines, PUBLIC) == checkpoint.parse_note(NOTE, PUBLIC)


def test_t45_a_note_by_another_key_or_name_is_unsigned() -> None:
    other = Ed25519PrivateKey.generate()
    theirs = checkpoint.note(POINT, other.public_key().public_bytes_raw(), other.sign(POINT.text.encode()))
    renamed = NOTE.replace("\N{EM DASH} lab/ssh-jit", "\N{EM DASH} lab2/ssh-jit")
    moved = NOTE.replace("lab/ssh-jit", "lab2/ssh-jit")
    short = (
        POINT.text
        + f"\n\N{EM DASH} lab/ssh-jit {base64.b64encode(checkpoint.key_hash(POINT.origin, PUBLIC)).decode()}\n"
    )
    for text in (theirs, renamed, moved, short, POINT.text + "\n" + WITNESS, POINT.text + "\n"):
        with pytest.raises(Invalid) as caught:
            checkpoint.parse_note(text, PUBLIC)
        assert caught.value.code == "unsigned_checkpoint"


@pytest.mark.parametrize(
    "body",
    [
        "lab/ssh-jit\n012\n{}\n",
        "lab/ssh-jit\n+12\n{}\n",
        "lab/ssh-jit\n-1\n{}\n",
        "lab/ssh-jit\n1_2\n{}\n",
        "lab/ssh-jit\n 12\n{}\n",
        "lab/ssh-jit\n\N{ARABIC-INDIC DIGIT ONE}\n{}\n",
        "lab/ssh-jit\n" + "9" * 5000 + "\n{}\n",
        "lab/ssh-jit\n1099511627776\n{}\n",
        "lab/ssh-jit\n\n{}\n",
        "lab/ssh-jit\n12\n{}\nextension\n",
        "lab/ssh-jit\n12\n{}=\n",
        "lab/ssh-jit\n12\n \n",
        "lab/ssh-jit\n12\nAAAA\n",
        "lab/ssh-jit\n12\n\u00e9\n",
        "lab/ssh-jit\r\n12\r\n{}\r\n",
        "LAB\n12\n{}\n",
        "lab jit\n12\n{}\n",
        "lab+jit\n12\n{}\n",
        "\n12\n{}\n",
        "12\n{}\n",
        "",
    ],
)
def test_what_is_not_a_checkpoint_in_its_one_spelling_is_refused(body: str) -> None:
    text = body.format(base64.b64encode(POINT.root).decode()) + "\n" + SIGNED_LINE
    assert isinstance(attempt(checkpoint.parse_note, text, PUBLIC), Invalid)


@quick
@given(st.data())
def test_t45_a_damaged_note_is_refused_or_says_the_same(data: st.DataObject) -> None:
    text = data.draw(broken(NOTE.encode())).decode("utf-8", "replace")
    found = attempt(checkpoint.parse_note, text, PUBLIC)
    if isinstance(found, Invalid):
        return
    point, signature = found
    assert text.startswith(point.text + "\n")
    if point != POINT:
        with pytest.raises(InvalidSignature):
            KEY.public_key().verify(signature, point.text.encode())


@quick
@given(st.text(max_size=80), st.data())
def test_arbitrary_texts_are_refused(text: str, data: st.DataObject) -> None:
    assert isinstance(attempt(checkpoint.parse_note, text, PUBLIC), Invalid)
    damaged = data.draw(broken(EXAMPLE_KEY.encode())).decode("latin-1")
    found = attempt(checkpoint.parse_verifier_key, damaged)
    assert isinstance(found, Invalid) or damaged == EXAMPLE_KEY
    assert isinstance(attempt(checkpoint.parse_verifier_key, text), Invalid)


def encoded(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "lab",
        "lab+00000000",
        EXAMPLE_KEY.replace("530d903a", "530D903A"),
        EXAMPLE_KEY.replace("530d903a", "53 0d 90 3a"),
        EXAMPLE_KEY.replace("530d903a", "530d903b"),
        EXAMPLE_KEY.replace("foo", "bar"),
        EXAMPLE_KEY + "\n",
        "\u00e9+00000000+" + encoded(b"\1" + bytes(32)),
        f"a b+{checkpoint.key_hash('a b', bytes(32)).hex()}+{encoded(bytes([1]) + bytes(32))}",
        f"+{checkpoint.key_hash('', bytes(32)).hex()}+{encoded(bytes([1]) + bytes(32))}",
        f"lab+{checkpoint.key_hash('lab', bytes(31)).hex()}+{encoded(bytes([1]) + bytes(31))}",
        f"lab+{checkpoint.key_hash('lab', bytes(32)).hex()}+{encoded(bytes([2]) + bytes(32))}",
    ],
)
def test_a_verifier_key_has_one_spelling_and_does_not_contradict_itself(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        checkpoint.parse_verifier_key(text)
    assert caught.value.code == "bad_verifier_key"


@quick
@given(
    st.from_regex(r"[a-z0-9][a-z0-9./-]{0,20}", fullmatch=True),
    st.integers(0, 2**40 - 1),
    st.binary(min_size=32, max_size=32),
)
def test_every_checkpoint_reads_back(origin: str, size: int, root: bytes) -> None:
    point = Checkpoint(origin, size, root)
    assert checkpoint.parse_note(checkpoint.note(point, PUBLIC, bytes(64)), PUBLIC) == (point, bytes(64))
    assert checkpoint.parse_verifier_key(checkpoint.verifier_key(origin, root)) == (origin, root)


@pytest.mark.parametrize(
    ("origin", "size", "root"),
    [
        ("", 1, bytes(32)),
        ("a\nb", 1, bytes(32)),
        ("a", -1, bytes(32)),
        ("a", 2**40, bytes(32)),
        ("a", 1, bytes(31)),
        ("a\n", 1, bytes(32)),
    ],
)
def test_what_could_not_be_written_cannot_be_made(origin: str, size: int, root: bytes) -> None:
    with pytest.raises(Invalid):
        Checkpoint(origin, size, root)
