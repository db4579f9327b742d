"""The commented settings of an installation, written where there are none yet."""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from sshjit import machine_setup
from sshjit.errors import Failed
from sshjit_ca.machine.durable import PUBLIC, make_durably, make_folder

NAMES = ("ca.toml", "providers.toml", "policy.toml")
_PACKAGED = Path("/usr/share/ssh-jit")
"""Where the Debian package has what the wheel has in its environment."""


def shared() -> Path:
    """Where the programs' own files are: settings in ``etc``, units in ``systemd``, ``ssh-jit-host.pyz``."""
    installed = Path(sysconfig.get_path("data"), "share", "ssh-jit")
    return installed if installed.is_dir() else _PACKAGED


def write(folder: Path, values: Mapping[str, str]) -> tuple[list[Path], list[Path]]:
    """Writes the files into a folder, which is made if it is not there; none is ever written over.

    ``values``: of ``ca.toml``, as TOML. Returns the files that were written, and those that were there already.

    Raises:
        Failed: ``not_written``, ``no_examples``.

    """
    try:
        texts = {name: (shared() / "etc" / name).read_text(encoding="utf-8") for name in NAMES}
    except OSError as error:
        hint = "install ssh-jit from its wheel"
        raise Failed("no_examples", f"{error.filename}: {error.strerror}", hint=hint) from None
    texts["ca.toml"] = machine_setup.with_values(texts["ca.toml"], dict(values))
    written: list[Path] = []
    try:
        make_folder(folder, 0o755)
        for name, text in texts.items():
            if not os.path.lexists(folder / name):
                make_durably(folder / name, text.encode(), PUBLIC)
                written.append(folder / name)
    except OSError as error:
        hint = "run this as root, or name another folder: --config DIR/ca.toml"
        raise Failed("not_written", f"cannot write into {folder}: {error.strerror}", hint=hint) from None
    return written, [folder / name for name in NAMES if folder / name not in written]
