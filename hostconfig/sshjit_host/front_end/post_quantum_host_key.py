"""A certificate for the post-quantum host key, beside those of the others, where sshd has such a key and reads it.

It is asked for once the others have theirs, because no host shows it alone: most clients know nothing of it. When its
CA is no longer one of the bundle, it goes, because a client that prefers it would know the host by nothing then.
"""

from __future__ import annotations

from pathlib import Path

from sshjit_host.config import Config
from sshjit_host.errors import BundleRefused, HostError
from sshjit_host.formats.bundle import Bundle
from sshjit_host.formats.certificate_types import POST_QUANTUM
from sshjit_host.front_end import renewal
from sshjit_host.machine import files
from sshjit_host.openssh import abilities, host_keys, sshdconf
from sshjit_host.openssh.dropin import DropIn, Say
from sshjit_host.openssh.host_keys import HostKey
from sshjit_host.openssh.keygen import is_signed

TRIED = "post-quantum.tried"


def fetched(dropin: DropIn, bundle: Bundle, now: float, say: Say) -> dict[Path, bytes]:
    """The first certificate of each post-quantum host key, by the place where it belongs; what is wrong is said."""
    config = dropin.config
    cas = {key.blob for key in bundle.post_quantum.host_ca} if bundle.post_quantum else set[bytes]()
    if not cas or not config.host_certificates:
        return {}
    lacking = [key for key in _keys(dropin) if not key.certificate.exists()]
    beside = next((due for due in renewal.ours(dropin, bundle) if not due.post_quantum), None)
    tried = config.home / TRIED
    if not lacking or beside is None or renewal.is_soon(tried, now) or not abilities.reads_post_quantum(config, bundle):
        return {}
    files.write(tried, f"{int(now)}\n".encode("ascii"))
    try:
        lines = renewal.asked(config, bundle, (beside, lacking[0]), int(now))
        certificate = _checked(config, beside, lacking[0], cas, lines, now)
    except (HostError, ValueError) as error:
        say(f"warning: {lacking[0].path} has no certificate yet: {error}")
        return {}
    return {lacking[0].certificate: certificate} if certificate else {}


def _keys(dropin: DropIn) -> list[HostKey]:
    return [key for key in host_keys.read(dropin.config, dropin).uncertified if key.type == POST_QUANTUM]


def _checked(  # noqa: PLR0917 - the parts of one check
    config: Config, beside: renewal.Due, key: HostKey, cas: set[bytes], lines: tuple[str, ...], now: float
) -> bytes:
    """The certificate as it is written; empty if the CA gives none. Raises ``BundleRefused``."""
    for line in lines:
        new = renewal.read(line)
        if new.line.split()[0] != f"{POST_QUANTUM}-cert":
            continue
        right = (
            renewal.is_host(new)
            and new.key == host_keys.blob(key)
            and set(new.principals) == set(beside.certificate.principals)
            and new.ca in cas
            and new.valid_after <= now + 300
            and new.valid_before > now
        )
        if not right or not is_signed(config.ssh_keygen, new.line):
            raise BundleRefused("what came is not a certificate for this host's post-quantum key and its names")
        return f"{new.line}\n".encode("ascii")
    return b""


def remove_untrusted(dropin: DropIn, bundle: Bundle, say: Say) -> None:
    """Remove our certificates of post-quantum host keys whose CA is none of the bundle. sshd is told by the drop-in."""
    cas = {key.blob for key in bundle.post_quantum.host_ca} if bundle.post_quantum else set[bytes]()
    for name in dropin.host_keys(sshdconf.layout(dropin.config.sshd_config)):
        place = Path(f"{name}-cert.pub")
        data = files.read(place) or b""
        if not data.startswith(f"{POST_QUANTUM}-cert ".encode("ascii")):
            continue
        try:
            held = renewal.read(data.decode("ascii"))
        except (ValueError, IndexError):
            continue
        ours = held.key_id == f"host {dropin.config.host_id}"
        if ours and held.ca not in cas and files.remove(place):
            say(f"removed {place}: its CA is no longer trusted")
