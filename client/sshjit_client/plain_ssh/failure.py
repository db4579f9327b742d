"""What ``ssh-jit ensure`` says where it fails: one line, because other programs' output surrounds it."""

from __future__ import annotations

import re

from sshjit.errors import SshJitError
from sshjit_client.console.command_files import COMMANDS

_COMMAND = "ssh-jit "
_PLAIN = re.compile(r"ssh-jit (?P<word>[a-z][a-z-]*)(?: (?:--[a-z-]+|'…'|[A-Za-z0-9][A-Za-z0-9.@:~_-]*))*", re.ASCII)
"""A command of ours without anything that a shell, or ssh, makes something else of."""
_SENTENCE = re.compile(r"[\w ,.:;…()@~-]*")
_TYPED = {"unknown_host": "ssh-jit hosts"}
"""What is typed where the hint is a sentence of the server's that begins with a command."""


def in_one_line(name: str, error: SshJitError) -> str:
    """What is wrong with this host, and what to type; hints of others are advice beside that.

    The hint may be a server's, which lies: what is to be typed is a plain command of ours or nothing.
    """
    hint = _TYPED.get(error.code, error.hint)
    own = f"{_COMMAND}{name}"
    if hint == own or _is_command(hint):
        advice, typed = "", hint
    else:
        advice = hint if not hint.startswith(_COMMAND) or _SENTENCE.fullmatch(hint) else ""
        typed = own
    return "; ".join(filter(None, (f"{name}: {error.message}", advice, error.page, f"type: {typed}")))


def _is_command(hint: str) -> bool:
    found = _PLAIN.fullmatch(hint)
    return found is not None and found["word"] in COMMANDS
