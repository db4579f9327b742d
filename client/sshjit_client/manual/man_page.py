"""The manual page ``ssh-jit(1)``, from the help texts: it says nothing that they do not say."""

from __future__ import annotations

from sshjit_client.console import helptext
from sshjit_client.manual import command_table

_DATE = "2026-11-30"
"""Of the last change of what the page says; set by hand, so that the page is the same wherever it is made."""
_FILES = (
    ("$XDG_CONFIG_HOME/ssh-jit", "the installations: the server's address and the pinned root of each"),
    ("$XDG_STATE_HOME/ssh-jit", "the newest bundle of each, and the names of its hosts"),
    ("$XDG_RUNTIME_DIR/ssh-jit", "the keys, tokens and certificates of the sign-ins; gone after a restart"),
)


def text() -> str:
    """The page in the language of man(7)."""
    usage, _, rest = helptext.PAGE.partition("\n\n")
    lines = [
        f'.TH SSH-JIT 1 {_DATE} "ssh-jit" "User Commands"',
        ".SH NAME",
        r"ssh-jit \- short-lived SSH certificates, asked for when they are needed",
        ".SH SYNOPSIS",
        *_verbatim(usage.removeprefix("usage: ")),
        ".SH DESCRIPTION",
        *_verbatim(rest),
        ".SH COMMANDS",
    ]
    for command in command_table.commands():
        if command.text:
            lines += [f".SS ssh-jit {_escaped(command.name)}", *_verbatim(command.text)]
    lines += [".SH FILES"]
    for path, what in _FILES:
        lines += [".TP", f".I {_escaped(path)}", _escaped(what)]
    lines += [".SH SEE ALSO", ".BR ssh (1),", ".BR ssh_config (5)"]
    return "\n".join(lines) + "\n"


def _verbatim(block: str) -> list[str]:
    """A block as it is, from the margin on: it is as wide as a terminal."""
    return [".nf", ".in 0", *(_line(line) for line in block.splitlines()), ".in", ".fi"]


def _line(line: str) -> str:
    r"""A line as it is: ``\&`` keeps a ``.`` or ``'`` at its beginning from being read as a request."""
    escaped = _escaped(line)
    return f"\\&{escaped}" if escaped[:1] in {".", "'"} else escaped


def _escaped(words: str) -> str:
    return words.replace("\\", "\\e").replace("-", "\\-").replace("…", "\\[u2026]")
