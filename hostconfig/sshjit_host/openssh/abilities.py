"""What this machine's own OpenSSH reads: types of CA keys that came later, and revocation lists.

An sshd stops reading ``TrustedUserCAKeys`` at a key whose type it does not know, and refuses everybody by a list with a
section about such a key; it says nothing of either (``sshd -t``). So it is asked before anything is written: sshd for
the name of a type, ``ssh-keygen``, which reads lists with the same code, for a whole list. A type counts where both
know it, since a CA whose certificates could not be revoked is none to trust.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TypeVar

from sshjit_host.config import Config
from sshjit_host.errors import BundleRefused, HostError
from sshjit_host.formats import krl
from sshjit_host.formats.bundle import Bundle
from sshjit_host.formats.certificate_types import POST_QUANTUM
from sshjit_host.machine import files
from sshjit_host.machine.programs import run

_TYPE = re.compile(r"[a-z0-9][a-z0-9@.-]{0,63}", re.ASCII)
"""Names that are written into a trial of sshd's configuration."""
_WEAK = frozenset(("ssh-dss",))
"""Known to old OpenSSH, and too weak for anybody's CA."""
_NONE_REVOKED, _SOME_REVOKED = 0, 1
"""How ``ssh-keygen -Q`` ends when it could read the list."""


def later_types(config: Config, bundle: Bundle) -> frozenset[str]:
    """The types of CA keys in a bundle that this program does not know, and this machine's OpenSSH does."""
    kinds = {key.kind for key in bundle.user_ca_later} | {section.kind for section in bundle.revoked.later}
    names = (kind for kind in kinds - _WEAK if _TYPE.fullmatch(kind))
    return frozenset(kind for kind in names if _knows(config, bundle, kind, broken=False))


def has_post_quantum(config: Config) -> bool:
    """Whether the CA keys that sshd goes by hold a post-quantum one."""
    lines = (files.read(config.home / "user_ca.pub") or b"").decode("ascii", "ignore").splitlines()
    return any(line.split(" ")[0] == POST_QUANTUM for line in lines)


def reads_post_quantum(config: Config, bundle: Bundle) -> bool | None:
    """Whether this machine's OpenSSH reads the bundle's post-quantum keys and list; ``None``: sshd does not say now."""
    return _knows(config, bundle, POST_QUANTUM, broken=None) if bundle.post_quantum else False


_Broken = TypeVar("_Broken", None, bool)


def _knows(config: Config, bundle: Bundle, kind: str, *, broken: _Broken) -> bool | _Broken:
    """Whether sshd knows a type, and ``ssh-keygen`` reads the list about it; ``broken`` where sshd refuses all."""
    trial = f"CASignatureAlgorithms {kind}\nInclude {config.sshd_config}\n".encode("ascii")
    with files.scratch({"sshd_config": trial}) as folder:
        if run(config.sshd, "-t", "-f", folder / "sshd_config").code != 0:
            return False if run(config.sshd, "-t", "-f", config.sshd_config).code == 0 else broken
    lines = [key.line for key in bundle.user_ca_later if key.kind == kind]
    if kind == POST_QUANTUM and bundle.post_quantum:
        lines += [key.line for key in bundle.post_quantum.keys]
    return _reads(config, bundle.list_for(frozenset((kind,))), lines or [key.line for key in bundle.user_ca])


def _reads(config: Config, data: bytes, lines: list[str]) -> bool:
    """Whether ``ssh-keygen`` reads a list, asked about each of these keys; whether it revokes them is the CA's word."""
    text = "".join(f"{line}\n" for line in lines).encode("ascii")
    with files.scratch({"keys.pub": text, "krl": data}) as folder:
        listed = run(config.ssh_keygen, "-l", "-f", folder / "keys.pub")
        asked = run(config.ssh_keygen, "-Q", "-f", folder / "krl", folder / "keys.pub")
    known = listed.code == 0 and len(listed.output.splitlines()) == len(lines)
    return known and asked.code in (_NONE_REVOKED, _SOME_REVOKED)


def check_readable(config: Config, bundle: Bundle) -> None:
    """Raise ``BundleRefused`` unless OpenSSH reads every CA key of a type that we know, and their revocation list."""
    lines = [key.line for key in bundle.user_ca + bundle.host_ca]
    if not _reads(config, krl.EMPTY, lines):
        raise BundleRefused("the bundle holds a CA key that OpenSSH cannot read")
    if not _reads(config, bundle.revoked.data, lines):
        raise BundleRefused("OpenSSH cannot read the bundle's KRL")


def reads_list(config: Config, bundle: Bundle, data: bytes) -> bool:
    """Whether this is a list that ``ssh-keygen`` reads."""
    return data.startswith(krl.MAGIC) and _reads(config, data, [key.line for key in bundle.user_ca])


def check_list(config: Config, bundle: Bundle, data: bytes) -> None:
    """Raise ``HostError`` unless ``ssh-keygen`` reads the list that sshd is to read."""
    if not reads_list(config, bundle, data):
        raise HostError(
            "this machine's ssh-keygen cannot read the new revocation list, so sshd goes on with the old one",
            hint="is the owner's list whole, and ssh-keygen of the same OpenSSH as sshd?",
        )


def as_list(config: Config, path: Path) -> bytes:
    """A file of revoked keys as a KRL: it is one, or plain keys, one to a line. Raises ``HostError``."""
    data = files.read(path)
    if data is None:
        raise HostError(f"{path} is not there")
    if data.startswith(krl.MAGIC):
        return data
    with files.scratch({"keys": data}) as folder:
        made = run(config.ssh_keygen, "-q", "-k", "-f", folder / "krl", folder / "keys")
        result = files.read(folder / "krl")
    if made.code != 0 or result is None:
        raise HostError(f"ssh-keygen cannot read {path}: {made.output or f'status {made.code}'}")
    return result
