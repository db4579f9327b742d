"""``python -m tools.manual FOLDER``: writes the manual page and the completions at their places below a folder.

The places are those below ``/usr/share`` in Debian. ``client/share`` has them for the wheel, which installs them below
``share``; a test compares both with what is made here.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sshjit_client.manual import completion, man_page

PLACES = {
    "bash": "bash-completion/completions/ssh-jit",
    "zsh": "zsh/site-functions/_ssh-jit",
    "fish": "fish/vendor_completions.d/ssh-jit.fish",
}
MAN = "man/man1/ssh-jit.1"


def files() -> dict[str, str]:
    """The files by their places below ``share``."""
    return {MAN: man_page.text(), **{place: completion.script(shell) for shell, place in PLACES.items()}}


def main() -> int:
    """Writes them."""
    parser = argparse.ArgumentParser(prog="python -m tools.manual", description="Write manual and completions.")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="client/share")
    options = parser.parse_args()
    for place, text in files().items():
        path = options.folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
