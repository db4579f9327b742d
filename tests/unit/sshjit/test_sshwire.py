"""The data types of RFC 4251, section 5: its own examples, and blobs that lie about their length."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sshjit import sshwire
from sshjit.errors import Invalid
from sshjit.sshwire import Reader
from tests.unit.sshjit.core_world import attempt, quick


@pytest.mark.parametrize(
    ("number", "written"),
    [
        (0, "00000000"),
        (0x9A378F9B2E332A7, "0000000809a378f9b2e332a7"),
        (0x80, "000000020080"),
        (0x7F, "000000017f"),
        (0xFF00, "0000000300ff00"),
    ],
)
def test_the_rfcs_examples_of_whole_numbers(number: int, written: str) -> None:
    assert sshwire.mpint(number).hex() == written
    assert Reader(bytes.fromhex(written)).mpint() == number


@pytest.mark.parametrize(
    "written", ["0000000100", "00000002007f", "0000000180", "000000020000", "00000003000080", "000000ff"]
)
def test_t6_a_number_that_is_negative_or_padded_is_refused(written: str) -> None:
    with pytest.raises(Invalid):
        Reader(bytes.fromhex(written)).mpint()


@quick
@given(st.integers(0, 2**600))
def test_numbers_read_back(number: int) -> None:
    reader = Reader(sshwire.mpint(number))
    assert reader.mpint() == number
    reader.finish()


@quick
@given(st.binary(max_size=12) | st.binary(max_size=8).map(lambda raw: len(raw).to_bytes(4, "big") + raw))
def test_a_number_has_one_spelling(blob: bytes) -> None:
    reader = Reader(blob)
    found = attempt(reader.mpint)
    if not isinstance(found, Invalid):
        assert sshwire.mpint(found) + reader.rest() == blob


@quick
@given(
    st.binary(max_size=12),
    st.lists(st.sampled_from(["u8", "u32", "u64", "string", "text", "mpint", "rest"]), max_size=4),
)
def test_reading_never_goes_past_the_end(blob: bytes, steps: list[str]) -> None:
    reader = Reader(blob)
    for step in steps:
        if isinstance(attempt(getattr(reader, step)), Invalid):
            return
    rest = reader.rest()
    assert blob.endswith(rest)
    assert reader.at_end()


def test_everything_that_is_written_reads_back() -> None:
    blob = sshwire.string(b"\x00\xff") + sshwire.text("caf") + sshwire.u32(2**32 - 1) + sshwire.u64(sshwire.U64_MAX)
    reader = Reader(blob + b"\x07z")
    assert (reader.string(), reader.text(), reader.u32(), reader.u64()) == (b"\x00\xff", "caf", 2**32 - 1, 2**64 - 1)
    assert (reader.u8(), reader.at_end(), reader.rest(), reader.at_end()) == (7, False, b"z", True)


def test_bytes_that_are_known_are_taken_only_if_they_come_next() -> None:
    reader = Reader(b"abcabc")
    assert not reader.take(b"bc")
    assert reader.take(b"ab")
    assert not reader.take(b"cabcd")
    assert (reader.position, reader.take(b"cab"), reader.since(2), reader.rest()) == (2, True, b"cab", b"c")


def test_t6_what_is_too_short_or_too_long_is_refused() -> None:
    with pytest.raises(Invalid) as short:
        Reader(b"\xff\xff\xff\xffx").string()
    with pytest.raises(Invalid) as long:
        Reader(b"x").finish()
    assert (short.value.code, long.value.code) == ("truncated", "trailing_bytes")


@pytest.mark.parametrize(
    ("step", "size"), [("u8", 1), ("u32", 4), ("u64", 8), ("string", 4), ("text", 4), ("mpint", 4)]
)
def test_t6_half_a_number_is_none(step: str, size: int) -> None:
    getattr(Reader(bytes(size)), step)()
    for length in range(size):
        found = attempt(getattr(Reader(bytes(length)), step))
        assert isinstance(found, Invalid)
        assert found.code == "truncated"


def test_text_is_ascii_in_both_directions() -> None:
    for refused in (lambda: sshwire.text("\u00e9"), lambda: Reader(sshwire.string(b"\xc3\xa9")).text()):
        with pytest.raises(Invalid) as caught:
            refused()
        assert caught.value.code == "not_ascii"
