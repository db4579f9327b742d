"""The owner's own ``RevokedKeys``: of two such lines sshd takes the first, so what theirs revokes is put into our list.

Their files and their lines stay as they are. So whoever takes our drop-in away has theirs in effect again.
"""

from __future__ import annotations

from pathlib import Path

from sshjit_host.config import Config
from sshjit_host.errors import HostError
from sshjit_host.formats import krl
from sshjit_host.formats.bundle import Bundle
from sshjit_host.openssh import abilities, sshdconf

KEYWORD = "RevokedKeys"


def files_of(config: Config) -> tuple[Path, ...]:
    """The files that sshd would go by without our drop-in: of the first line that names any, for all connections."""
    for setting in sshdconf.layout(config.sshd_config).of(KEYWORD):
        if setting.path != config.dropin and not setting.conditional:
            return tuple(Path(name) for name in setting.values if name.lower() != "none")
    return ()


def whole(config: Config, bundle: Bundle, types: frozenset[str]) -> bytes:
    """The bundle's list, with what the owner revokes. ``types`` are those that this OpenSSH knows in addition.

    Raises ``HostError``, which says what to do.
    """
    ours = bundle.list_for(types)
    for path in files_of(config):
        ours = _with(config, ours, path)
    return ours


def _with(config: Config, ours: bytes, path: Path) -> bytes:
    try:
        return krl.merge(ours, _contents(config, path))
    except (HostError, ValueError) as error:
        raise HostError(
            f"the owner's revoked keys in {path} cannot be taken over, so sshd goes on with the old list: {error}",
            hint=f"mend {path}, or remove the line {KEYWORD} that names it",
        ) from None


def _contents(config: Config, path: Path) -> bytes:
    if not path.is_absolute():
        raise ValueError("it is not named by its full path")
    return abilities.as_list(config, path)
