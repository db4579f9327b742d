"""What the process was told about where keys and their secrets are found, and secrets read from there."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sshjit.errors import Failed

MAX_SECRET = 4096


@dataclass(frozen=True, slots=True)
class KeyLocations:
    """``agent``: the socket of the ssh-agent; ``credentials``: systemd's folder of this service's credentials."""

    agent: Path | None = None
    credentials: Path | None = None

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> KeyLocations:
        """The places that an environment names."""
        agent, credentials = environment.get("SSH_AUTH_SOCK"), environment.get("CREDENTIALS_DIRECTORY")
        return cls(Path(agent) if agent else None, Path(credentials) if credentials else None)

    def secret(self, source: str) -> bytes:
        """The passphrase or PIN at ``source``: a path that only we and root can read, or the name of a credential.

        One newline at its end is not part of it.

        Raises:
            Failed: ``no_secret``, ``secret_exposed``.

        """
        path, ours = self._path(source)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        except OSError as error:
            raise Failed(
                "no_secret", f"{path}: {error.strerror}", hint="the file holds the passphrase or PIN of a key"
            ) from None
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(file.fileno())
            raw = file.read(MAX_SECRET + 1)
        exposed = status.st_uid not in (0, os.getuid()) or status.st_mode & 0o077
        if not stat.S_ISREG(status.st_mode) or (ours and exposed):
            raise Failed("secret_exposed", f"{path} can be read by other users", hint=f"chmod 600 {path}")
        secret = raw.removesuffix(b"\n").removesuffix(b"\r")
        if not secret or len(raw) > MAX_SECRET:
            raise Failed("no_secret", f"{path} is empty, or too long for a passphrase or PIN")
        return secret

    def _path(self, source: str) -> tuple[Path, bool]:
        """Where it is, and whether its mode is ours to check: systemd looks after its own folder."""
        if source.startswith("/"):
            return Path(source), True
        if self.credentials is None:
            raise Failed(
                "no_secret",
                f"the credential {source!r} is missing: systemd gave this process no credentials",
                hint=f"LoadCredentialEncrypted={source}:… in the unit",
            )
        return self.credentials / source, False
