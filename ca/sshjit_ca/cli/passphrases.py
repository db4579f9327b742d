"""The two options that say how new key files are encrypted. Neither takes a secret: both say where one is read."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_options(parser: argparse.ArgumentParser, files: str) -> None:
    """Adds ``--passphrase-file`` and ``--passphrase-credential``; ``files`` is what they encrypt, in words."""
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--passphrase-file", type=Path, metavar="FILE", help=f"encrypt {files} with the passphrase in FILE"
    )
    source.add_argument("--passphrase-credential", metavar="NAME", help="or with this systemd credential of the CA")


def source(options: argparse.Namespace) -> str | None:
    """What was chosen, as references write it; a path is made absolute, since the CA runs elsewhere."""
    file: Path | None = options.passphrase_file
    named: str | None = options.passphrase_credential
    return named if file is None else str(file.absolute())
