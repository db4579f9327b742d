"""What ``ssh-jit ensure`` says where it fails: one line, because other programs' output surrounds it."""

from __future__ import annotations

from sshjit.errors import SshJitError

_COMMAND = "ssh-jit "
_TYPED = {"unknown_host": "ssh-jit hosts"}
"""What is typed where the hint is a sentence of the server's that begins with a command."""


def in_one_line(name: str, error: SshJitError) -> str:
    """What is wrong with this host, and what to type; hints of others are advice beside that."""
    hint = _TYPED.get(error.code, error.hint)
    advice, typed = (hint, "") if not hint.startswith(_COMMAND) else ("", hint)
    parts = [f"{name}: {error.message}", advice, error.page, f"type: {typed or _COMMAND + name}"]
    return "; ".join(filter(None, parts))
