"""Asking for a reason where the rule wants one, with the rule's own prompt. The server says whether it will do."""

from __future__ import annotations

from sshjit import names
from sshjit.errors import Invalid, SshJitError
from sshjit_client.console.terminal import Terminal

CODE = "bad_reason"
"""The code of an answer that asks for another reason; its hint is the rule's prompt."""
TRIES = 3
"""How often somebody is asked."""


def ask(terminal: Terminal, error: SshJitError) -> str:
    """Another reason, from the person at the terminal.

    Raises:
        SshJitError: ``error`` itself, where it is about something else, nobody can be asked, or nothing is typed.

    """
    if error.code != CODE or not terminal.asks:
        raise error
    terminal.warn(error.message)
    text = _typed(terminal, error.hint.rstrip(": ") or "Reason")
    if not text:
        raise error
    return text


def given(terminal: Terminal, reason: str | None, question: str) -> str:
    """The reason that was typed as an option, else what the person at the terminal answers to ``question``.

    Raises:
        Invalid: ``no_reason``: neither; ``not_printable``, ``too_long``.

    """
    if reason is None and terminal.asks:
        reason = _typed(terminal, question)
    text = names.free_text(reason or "", "the reason")
    if not text:
        raise Invalid("no_reason", "a reason is needed", hint="--reason TEXT")
    return text


def _typed(terminal: Terminal, prompt: str) -> str:
    for _ in range(TRIES):
        try:
            return names.free_text(terminal.ask(f"{prompt}{'' if prompt.endswith('?') else ':'} "), "the reason")
        except Invalid as invisible:
            terminal.error(invisible)
    return ""
