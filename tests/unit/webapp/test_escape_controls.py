"""The filter that every value on a page and in a message passes."""

from __future__ import annotations

import pytest

from sshjit_web.escape_controls import escape_controls


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Zoë 東京", "Zoë 東京"),
        ("gnp\u202eexe", "gnp⟨U+202E⟩exe"),
        ("two\nlines\u00a0", "two⟨U+000A⟩lines⟨U+00A0⟩"),
        ("\u2800\u3164\u1160", "⟨U+2800⟩⟨U+3164⟩⟨U+1160⟩"),
        ("a" + "\u0310" * 6 + "b", "a" + "\u0310" * 4 + "⟨U+0310⟩" * 2 + "b"),
        ("\U000e0041", "⟨U+E0041⟩"),
    ],
)
def test_t29_what_is_not_plainly_seen_is_written_out(text: str, shown: str) -> None:
    assert escape_controls(text) == shown
