"""What ``ssh-jit ensure`` says where it fails: one line, because other programs' output surrounds it."""

from __future__ import annotations

from sshjit.errors import SshJitError

_COMMAND = "ssh-jit "


def in_one_line(name: str, error: SshJitError) -> str:
    """What is wrong with this host, and what to type; hints of others are advice beside that."""
    advice, typed = (error.hint, "") if not error.hint.startswith(_COMMAND) else ("", error.hint)
    parts = [f"{name}: {error.message}", advice, error.page, f"type: {typed or _COMMAND + name}"]
    return "; ".join(filter(None, parts))
