"""The certificates that are kept on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sshjit import sshcert
from sshjit.errors import Invalid
from sshjit.sshcert import Certificate
from sshjit_client.ssh import certificate_index


@dataclass(frozen=True, slots=True)
class Kept:
    """A certificate kept on this machine. ``until``: its end by this machine's clock; ``typed``: the host's name."""

    path: Path
    certificate: Certificate
    until: int
    typed: str

    @property
    def break_glass(self) -> bool:
        """Whether it is for break-glass access."""
        return self.path.name.startswith(certificate_index.BREAK_GLASS)


def read(folders: list[Path]) -> list[Kept]:
    """All of them; ``folders``: those of the sign-in."""
    certificates = []
    for path in sorted(path for folder in folders for path in (folder / "open").glob("*.conf")):
        try:
            with path.open("rb") as file:
                until = certificate_index.until(file.readline(certificate_index.LONGEST_LINE))
                typed = next((line[5:].decode().strip() for line in file if line.startswith(b"Host ")), "")
            written = path.with_name(f"{path.name.removesuffix('.conf')}-cert.pub").read_text("ascii")
            certificates.append(Kept(path, sshcert.parse_line(written)[0], until, typed))
        except (OSError, ValueError, Invalid):
            continue  # removed meanwhile; ssh would not take it either
    return certificates


def newest(folders: list[Path], typed: str) -> Kept | None:
    """The one for this host that lives longest."""
    there = [kept for kept in read(folders) if kept.typed.lower() == typed]
    return max(there, key=lambda kept: kept.until, default=None)
