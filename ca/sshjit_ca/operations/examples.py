"""``ssh-jit-ca init --example``: the commented settings of an installation, written where there are none yet."""

from __future__ import annotations

import os
import sysconfig
from pathlib import Path

from sshjit.errors import Failed, Invalid
from sshjit_ca.machine.durable import PUBLIC, make_durably, make_folder

NAMES = ("ca.toml", "providers.toml", "policy.toml")


def shared() -> Path:
    """Where the wheel put what belongs to the programs: settings in ``etc``, units in ``systemd``."""
    return Path(sysconfig.get_path("data"), "share", "ssh-jit")


def write(folder: Path) -> list[Path]:
    """Writes the files into a folder, which is made if it is not there; none is ever written over.

    Raises:
        Invalid: ``already_made``, when one of them is there.
        Failed: ``not_written``, ``no_examples``.

    """
    there = [str(folder / name) for name in NAMES if os.path.lexists(folder / name)]
    if there:
        raise Invalid("already_made", f"{', '.join(there)}: already there; nothing was written", hint="another folder")
    try:
        texts = {name: (shared() / "etc" / name).read_bytes() for name in NAMES}
    except OSError as error:
        hint = "install ssh-jit from its wheel"
        raise Failed("no_examples", f"{error.filename}: {error.strerror}", hint=hint) from None
    try:
        make_folder(folder, 0o755)
        for name, text in texts.items():
            make_durably(folder / name, text, PUBLIC)
    except OSError as error:
        raise Failed("not_written", f"{error.filename or folder}: {error.strerror}") from None
    return [folder / name for name in NAMES]
