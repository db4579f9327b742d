"""The open sessions, a file for each, so that a daemon that starts again finds them.

They lie in ``/run``, because no session outlives the machine's start; the machine's boot is named in each all the same.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sshjit_host.errors import HostError
from sshjit_host.formats.user_certificate import UserCertificate
from sshjit_host.machine import files
from sshjit_host.machine.processes import NO_AUDIT
from sshjit_host.sessions.rules import Moment, Terms

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Session:
    """One connection that a certificate of ours opened, and all that it started.

    ``pid`` and ``started`` name sshd's privileged process; ``connection`` is its ``SSH_CONNECTION``. ``group`` is the
    control group that the daemon made, ``scope`` systemd's; ``audit`` the audit session that the login began: each
    empty, or ``NO_AUDIT``, where there is none. ``ending`` is why it must end, once it must.
    """

    id: str
    boot: str
    pid: int
    started: int
    user: str
    uid: int
    connection: str
    certificate: str
    serial: int
    key_id: str
    ca: str
    grant: str
    grant_ends: int
    valid_before: int
    emergency: bool
    opened_wall: float
    opened_boot: float
    group: str = ""
    scope: str = ""
    audit: int = NO_AUDIT
    server_group: str = ""
    server_audit: int = NO_AUDIT
    warned: int = 0
    """The end that the person was warned of."""
    ending: str = ""

    @property
    def terms(self) -> Terms:
        """What decides about it."""
        return Terms(
            serial=self.serial,
            key_id=self.key_id,
            ca=base64.b64decode(self.ca),
            grant=self.grant,
            grant_ends=self.grant_ends,
            valid_before=self.valid_before,
            emergency=self.emergency,
            opened=Moment(self.opened_wall, self.opened_boot),
        )

    @property
    def source(self) -> str:
        """The address that it came from."""
        return self.connection.partition(" ")[0]

    @property
    def fenced(self) -> bool:
        """Whether a control group holds all of it together."""
        return bool(self.group or self.scope)


def new_id() -> str:
    """An id that no other session has."""
    number = secrets.randbits(80)
    return "ses-" + "".join(_ALPHABET[number >> shift & 31] for shift in range(75, -1, -5))


def certified(certificate: UserCertificate) -> dict[str, Any]:
    """The fields of a session that its certificate says."""
    return {
        "certificate": certificate.digest,
        "serial": certificate.serial,
        "key_id": certificate.key_id,
        "ca": base64.b64encode(certificate.ca).decode("ascii"),
        "grant": certificate.grant,
        "grant_ends": certificate.grant_ends,
        "valid_before": certificate.valid_before,
        "emergency": certificate.emergency,
    }


def terms_of(certificate: UserCertificate, opened: Moment) -> Terms:
    """What would decide about a session by this certificate that begins now."""
    return Terms(
        serial=certificate.serial,
        key_id=certificate.key_id,
        ca=certificate.ca,
        grant=certificate.grant,
        grant_ends=certificate.grant_ends,
        valid_before=certificate.valid_before,
        emergency=certificate.emergency,
        opened=opened,
    )


def this_boot() -> str:
    """What names this run of the machine."""
    return (files.read(_BOOT) or b"").decode("ascii", "replace").strip()


@dataclass(frozen=True)
class Registry:
    """The folder of the files."""

    folder: Path

    def prepare(self) -> None:
        """Make the folder, which only root may look into."""
        files.private_folder(self.folder)
        files.remove_leftovers(self.folder)

    def keep(self, session: Session) -> None:
        """Write the session down. Raises ``HostError`` if that cannot be done."""
        text = json.dumps(asdict(session), sort_keys=True)
        files.write(self.folder / f"{session.id}.json", f"{text}\n".encode("ascii"), 0o600)

    def drop(self, session: Session) -> None:
        """Forget a session that is over."""
        files.remove(self.folder / f"{session.id}.json")

    def sessions(self) -> Iterator[Session]:
        """The sessions that were written down; files that are none are removed, for nobody can act on them."""
        for path in sorted(self.folder.glob("*.json")):
            try:
                yield Session(**json.loads(files.read(path) or b""))
            except (HostError, ValueError, TypeError):  # noqa: PERF203 - there are few, and each counts
                files.remove(path)

    def with_changes(self, session: Session, **changes: Any) -> Session:
        """The session with other values, written down if any is another."""
        changed = replace(session, **changes)
        if changed != session:
            self.keep(changed)
        return changed
