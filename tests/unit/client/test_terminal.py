"""What is printed can do nothing to a terminal."""

from __future__ import annotations

import io
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sshjit.errors import Failed, Invalid, Refused
from sshjit.terminal_text import cut, fitted, inert, table, width, wrap
from sshjit_client.console import exit_codes
from sshjit_client.console.terminal import Terminal


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", r"\x1b[2J"),
        ("a\nb\r\tc\x07\x00\x7f", r"a\x0ab\x0d\x09c\x07\x00\x7f"),
        ("\x9b31m", r"\x9b31m"),
        ("evil\u202egpj.exe\u2066\u200f", r"evil\u202egpj.exe\u2066\u200f"),
        ("zero\u200bwidth\ufeff\u2028", r"zero\u200bwidth\ufeff\u2028"),
        ("tag\U000e0041", r"tag\U000e0041"),
        ("lone \udcff", r"lone \udcff"),
        ("a" + "\u0310" * 5, "a" + "\u0310" * 4 + r"\u0310"),
        ("rule\u2800\u3164\u00a0staging", r"rule\u2800\u3164\xa0staging"),
        ("Zoë 東京", "Zoë 東京"),
    ],
)
def test_t29_harmful_characters_are_spelled_out(text: str, shown: str) -> None:
    assert inert(text) == shown


@given(st.text())
def test_nothing_harmful_is_left_in_any_text(text: str) -> None:
    letters = inert(text).translate(dict.fromkeys(map(ord, "\u200c\u200d")))  # writing, where they are left
    assert not {unicodedata.category(c) for c in letters} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert not {"\u2800", "\u3164", "\u115f", "\u1160", "\uffa0"} & set(inert(text))


def test_t29_on_a_terminal_a_long_line_is_wrapped_between_words_and_indented(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Terminal, "columns", staticmethod(lambda: 40))
    terminal, text = Terminal(), "denied by Bob: " + "why " * 20 + "hint: nothing of ours"
    terminal.say(text)
    assert capsys.readouterr().err == f"ssh-jit: {text}\n", "one line for scripts"
    terminal.live = True
    terminal.say(text)
    terminal.hint(text)
    lines = capsys.readouterr().err.splitlines()
    assert max(map(width, lines)) <= 40
    begins = {"ssh-jit: ", " " * 9}, {"hint: ", " " * 6}
    middle = next(number for number, line in enumerate(lines) if line.startswith("hint: "))
    for prefixes, part in zip(begins, (lines[:middle], lines[middle:]), strict=True):
        size = len(min(prefixes))
        assert {line[:size] for line in part} == prefixes
        assert " ".join(line[size:] for line in part) == text


def test_tables_are_aligned_and_inert() -> None:
    assert table([["A", "NAME", "X"], ["1", "東京", "\x1b"], ["22", "b", ""]]) == (
        "A   NAME  X\n1   東京  \\x1b\n22  b"
    )


ROWS = [["LOCK", "WHAT", "REASON"], ["lock-2b8x", "the host 東京", "somebody has broken in, it seems, and we look"]]


def test_a_table_that_is_too_wide_wraps_its_last_column_and_then_becomes_blocks() -> None:
    assert fitted(ROWS, 0) == fitted(ROWS, 80) == table(ROWS)
    assert fitted(ROWS, 52) == (
        "LOCK       WHAT           REASON\n"
        "lock-2b8x  the host 東京  somebody has broken in, it\n"
        "                          seems, and we look"
    )
    assert (
        fitted([*ROWS, ROWS[1]], 40).split("\n\n")
        == ["LOCK    lock-2b8x\nWHAT    the host 東京\nREASON  somebody has broken in, it\n        seems, and we look"]
        * 2
    )


@given(st.text(alphabet=st.characters(exclude_categories=("Cc", "Cs")), max_size=30), st.integers(1, 20))
def test_cut_fits(text: str, columns: int) -> None:
    assert width(cut(text, columns)) <= columns


@given(st.text(alphabet=st.characters(exclude_categories=("Cc", "Cs")), max_size=60), st.integers(2, 20))
def test_t29_what_is_wrapped_leaves_nothing_to_the_terminal(text: str, columns: int) -> None:
    lines = wrap(text, columns)
    assert all(width(line) <= columns for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", [""]),
        ("a  b", ["a  b"]),
        ("one two three", ["one two", "three"]),
        ("one twothreefour", ["one", "twothree", "four"]),
        ("東京東京東 京", ["東京東京", "東 京"]),
    ],
)
def test_words_are_broken_only_where_no_line_holds_them(text: str, lines: list[str]) -> None:
    assert wrap(text, 8) == lines


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Invalid("usage", "x"), 2),
        (Refused("waiting", "x"), 3),
        (Refused("no_rule", "x"), 4),
        (Refused("expired", "x"), 5),
        (Refused("grant_over", "x"), 5),
        (Refused("nobody_can_approve", "x"), 6),
        (Refused("login_needed", "x"), 7),
        (Refused("login_over", "x"), 7),
        (Failed("ca_down", "x"), 8),
    ],
)
def test_exit_codes(error: Invalid | Refused | Failed, code: int) -> None:
    assert exit_codes.of(error) == code


@pytest.mark.parametrize(
    ("typed", "yes"),
    [("y\n", 1), ("Y\n", 1), ("yes\n", 1), (" YES \n", 1), ("", 0), ("\n", 0), ("n\n", 0), ("yep\n", 0), ("ye", 0)],
)
def test_nothing_but_yes_is_yes(typed: str, yes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    assert Terminal().confirm("really?") == bool(yes)


def test_a_quiet_run_prints_what_must_not_be_missed_alone(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    terminal.rewrites = terminal.live = True
    terminal.quiet = True
    terminal.say("said")
    terminal.progress("waiting")
    terminal.bell()
    assert capsys.readouterr().err == ""
    terminal.mark = "BREAK-GLASS: "
    terminal.warn("warned")
    terminal.error(Refused("denied", "no", hint="ask"))
    assert capsys.readouterr().err == "ssh-jit: BREAK-GLASS: warned\nssh-jit: BREAK-GLASS: no\nhint: ask\n"
    terminal.quiet = False
    terminal.progress("waiting")
    terminal.bell()
    terminal.say("said")
    shown = "\rssh-jit: BREAK-GLASS: waiting\x1b[K\r\x1b[K\assh-jit: BREAK-GLASS: said\n"
    assert capsys.readouterr().err == shown
    terminal.never_ask()
    terminal.progress("waiting")
    terminal.bell()
    assert (capsys.readouterr().err, terminal.asks) == ("", False)


@pytest.mark.parametrize(("live", "typing", "asks"), [(1, 1, True), (1, 0, False), (0, 1, False)])
def test_somebody_is_asked_who_sees_the_question_and_can_answer(live: int, typing: int, *, asks: bool) -> None:
    terminal = Terminal()
    terminal.live, terminal.typing = bool(live), bool(typing)
    assert terminal.asks == asks


def test_a_status_line_fits_one_column_less_than_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Terminal, "columns", staticmethod(lambda: 20))
    terminal = Terminal()
    assert terminal.fits("0123456789")
    assert not terminal.fits("0123456789a"), "a full line would wrap on some terminals"
    assert not terminal.fits("01234567\x1b"), "it is printed as four characters"
