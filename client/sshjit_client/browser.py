"""Opening the person's browser: ``$BROWSER``, else the platform's opener, else none."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping


def command(environ: Mapping[str, str], address: str) -> list[str] | None:
    """The argument list that opens ``address``, or ``None`` where no browser can be expected."""
    wanted = environ.get("BROWSER", "").strip()
    if wanted:
        try:
            words = shlex.split(wanted)
        except ValueError:
            return None
        return [w.replace("%s", address) for w in words] if "%s" in wanted else [*words, address]
    if sys.platform == "darwin":
        return ["open", address]
    if environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"):
        opener = shutil.which("xdg-open")
        return [opener, address] if opener else None
    return None


def start(words: list[str]) -> subprocess.Popen[bytes] | None:
    """Starts the browser and does not wait for it; ``None`` if there is no such program."""
    quiet = subprocess.DEVNULL
    try:
        return subprocess.Popen(words, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)
    except OSError:
        return None
