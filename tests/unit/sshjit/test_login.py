"""The nonce that ties a token to a key."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sshjit import login
from sshjit.errors import Invalid
from tests.unit.sshjit.core_world import attempt, blob, quick


def test_t48_the_nonce_is_the_hash_that_the_protocol_says() -> None:
    key, salt = blob("ed25519"), bytes(range(16))
    raw = hashlib.sha256(b"ssh-jit login v1\n" + key + salt).digest()
    assert login.nonce(key, salt) == base64.urlsafe_b64encode(raw).decode().rstrip("=")
    assert len(login.nonce(key, salt)) == 43


@quick
@given(st.binary(max_size=64), st.binary(min_size=16, max_size=16), st.integers(1, 16))
def test_t48_no_byte_moves_between_key_and_salt(key: bytes, salt: bytes, moved: int) -> None:
    with pytest.raises(Invalid):
        login.nonce(key + salt[:moved], salt[moved:])


def test_the_signature_is_over_the_tokens_digest() -> None:
    assert login.signed_text("a.b.c") == hashlib.sha256(b"a.b.c").digest()


@pytest.mark.parametrize("token", ["a.b.\u00e9", "\ud800"])
def test_t14_a_token_that_is_not_ascii_is_refused(token: str) -> None:
    with pytest.raises(Invalid):
        login.signed_text(token)


@quick
@given(st.binary(max_size=40))
def test_base64url_reads_back(raw: bytes) -> None:
    assert login.unb64url(login.b64url(raw)) == raw


@quick
@given(st.text(max_size=12) | st.from_regex(r"[A-Za-z0-9_=+/\n-]{0,12}", fullmatch=True))
def test_base64url_has_one_spelling(text: str) -> None:
    found = attempt(login.unb64url, text)
    if not isinstance(found, Invalid):
        assert login.b64url(found) == text


@pytest.mark.parametrize("text", ["A", "AA==", "AB", "AAB", "A A", "AA\n", "A+/A", "\u0661A"])
def test_not_base64url(text: str) -> None:
    with pytest.raises(Invalid):
        login.unb64url(text)
