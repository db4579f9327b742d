"""The keys by which this server shows itself: which of them join, and which do not, and why.

A certificate for some of them only harms people who pinned another one: their ssh prefers every kind of certificate to
every plain key. So what is left out is never left out quietly.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sshjit_host.config import Config
from sshjit_host.formats import sshkey
from sshjit_host.machine import files, programs
from sshjit_host.openssh import dropin, sshdconf

MOST = 8
"""Keys of one host that the CA takes."""


@dataclass(frozen=True)
class HostKey:
    """A host key: the private file, and its public key as ``type base64``."""

    path: Path
    line: str

    @property
    def type(self) -> str:
        """``ssh-ed25519`` and so on."""
        return self.line.partition(" ")[0]

    @property
    def certificate(self) -> Path:
        """Where its certificate stands."""
        return Path(f"{self.path}-cert.pub")


@dataclass(frozen=True)
class HostKeys:
    """Those that are ``offered`` to the CA, and those that are not.

    ``uncertified`` are of a type that it does not certify (yet); ``unusable`` says what is wrong with each of the rest.
    """

    offered: tuple[HostKey, ...]
    uncertified: tuple[HostKey, ...]
    unusable: tuple[str, ...]


def read(config: Config, asked: dropin.DropIn | None = None) -> HostKeys:
    """The host keys of sshd's configuration as they are on the disk now; ``asked`` knows already what sshd says."""
    offered, uncertified, unusable = [], [], []
    named = {s.values[0] for s in sshdconf.layout(config.sshd_config).of("HostKey") if s.values}
    for name in (asked or dropin.DropIn(config)).host_keys(sshdconf.layout(config.sshd_config)):
        path = Path(name)
        if not path.exists() and name not in named:
            continue  # one of those that sshd would take by itself
        line = _public(config, path)
        if not path.exists() or path.suffix == ".pub":
            unusable.append(f"{path} is no private key that can be read here")
        elif line is None:
            unusable.append(f"the public key of {path} cannot be read")
        else:
            key = HostKey(path, line)
            try:
                sshkey.read_line(line)
            except sshkey.UnknownType:
                uncertified.append(key)
            except ValueError as error:
                unusable.append(f"{path} {error}")
            else:
                offered.append(key)
    unusable += [f"{key.path} is one too many: a host has at most {MOST}" for key in offered[MOST:]]
    return HostKeys(tuple(offered[:MOST]), tuple(uncertified), tuple(unusable))


def blob(key: HostKey) -> bytes:
    """The public key in wire format."""
    return sshkey.blob_of(key.line)


def _public(config: Config, path: Path) -> str | None:
    data = files.read(Path(f"{path}.pub"))
    text = data.decode("utf-8", "replace") if data else programs.run(config.ssh_keygen, "-y", "-f", path).output
    words = text.split()
    if len(words) < 2 or not all(word.isascii() for word in words[:2]):
        return None
    return " ".join(words[:2])
