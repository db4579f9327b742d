"""When two e-mail addresses are one: to permit letter by letter, to forbid by whatever any mail system might do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sshjit.addresses import exact, mailbox
from sshjit.names import lowered

ONE = {
    "eve@example.com": (
        "Eve@Example.COM",
        "eve@example.com.",
        " eve @ example.com\t",
        "\N{ZERO WIDTH SPACE}eve@exa\N{SOFT HYPHEN}mple.com",
        "ev\N{HANGUL FILLER}e@example.com",
        "\N{FULLWIDTH LATIN SMALL LETTER E}ve\N{FULLWIDTH COMMERCIAL AT}example\N{FULLWIDTH FULL STOP}com",
        "eve@example\N{HALFWIDTH IDEOGRAPHIC FULL STOP}com",
        '"eve"@example.com',
        '"e\\ve"@example.com',
        "eve(at work)@example.com",
        "eve+dba@example.com",
        "eve+dba+prod@example.com",
    ),
    "b@strasse.example": (
        "b@straße.example",
        "b@xn--strae-oqa.example",
        "B@STRASSE.example",
        "b@XN--STRAE-OQA.example",
    ),
    "b@bücher.example": ("b@xn--bcher-kva.example", "b@Bu\N{COMBINING DIAERESIS}cher.example", "b@BÜCHER.example."),
    "kim@example.com": ("\N{KELVIN SIGN}im@example.com",),
    "office@example.com": ("o\N{LATIN SMALL LIGATURE FFI}ce@example.com",),
}


@pytest.mark.parametrize(("address", "other"), [(address, other) for address in ONE for other in ONE[address]])
def test_to_forbid_any_spelling_is_the_same(address: str, other: str) -> None:
    assert mailbox(other) == mailbox(address)


def test_to_forbid_different_mailboxes_stay_different() -> None:
    others = [
        *ONE,
        "eve@example.org",
        "ev.e@example.com",
        "eva@example.com",
        "eve@mail.example.com",
        "+eve@example.com",
    ]
    assert len({mailbox(address) for address in others}) == len(others)


@pytest.mark.parametrize("other", [other for others in ONE.values() for other in others if not other.isascii()])
def test_to_permit_nothing_outside_ascii_counts(other: str) -> None:
    assert exact(other) is None


def test_to_permit_only_a_to_z_have_a_case() -> None:
    assert exact("Eve.O'Neil+x@EXAMPLE.com") == "eve.o'neil+x@example.com"
    for same in ONE["eve@example.com"][1:]:
        assert exact(same) != "eve@example.com"
    assert lowered("ABCXYZ\N{KELVIN SIGN}İ") == "abcxyz\N{KELVIN SIGN}İ"


@pytest.mark.parametrize(
    "odd", ["", "@", "eve", " ", "a@", "@b", "xn--@xn--", "a@xn--\N{SNOWMAN}", "((a@b", "a@.", "a@b@c"]
)
def test_what_is_no_address_is_compared_as_well(odd: str) -> None:
    assert mailbox(odd) == mailbox(odd)
    assert (mailbox(odd) == "") is (odd == "")


@given(st.text(max_size=30), st.text(max_size=30))
def test_what_is_the_same_to_permit_is_the_same_to_forbid(one: str, other: str) -> None:
    """So that nothing that gives a right escapes what takes it."""
    address = f"{one}@{other}"
    assert mailbox(lowered(address)) == mailbox(address)
    assert mailbox(f"{address}\N{ZERO WIDTH SPACE}") == mailbox(address)
