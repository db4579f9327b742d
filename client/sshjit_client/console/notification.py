"""Calling somebody back to the terminal: the bell, and a notification of the desktop where there is one."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping

from sshjit.terminal_text import cut, inert
from sshjit_client.console.terminal import Terminal

_DESKTOPS = ("WAYLAND_DISPLAY", "DISPLAY")
_LONGEST = 200
"""Columns of a notification."""


def call(terminal: Terminal, environ: Mapping[str, str], text: str) -> None:
    """Rings, and shows ``text`` on the desktop. Whoever sees no terminal is not called."""
    if not terminal.live or terminal.quiet:
        return
    terminal.bell()
    program = shutil.which("notify-send", path=environ.get("PATH"))
    if program and any(environ.get(name) for name in _DESKTOPS):
        words = [program, "--app-name=ssh-jit", "--", "ssh-jit", _plain(text)]
        null = subprocess.DEVNULL
        try:
            subprocess.Popen(words, stdin=null, stdout=null, stderr=null, start_new_session=True)
        except OSError:
            return  # the bell has rung


def _plain(text: str) -> str:
    """``text`` inert, and without what a desktop would read as markup."""
    short = cut(inert(text), _LONGEST)
    return short.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
