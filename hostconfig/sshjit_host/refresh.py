"""One refresh: fetch the bundle, take it if it may be believed, and write this host's files from it.

The held bundle (``bundle.json``) is the state. Every run makes all other files from it, so a lost or changed file comes
back even while the front end is down. A new bundle is stored before it is applied, and a revocation list is written
before the drop-in that names it. A host is never closed because its bundle is old.
"""

from __future__ import annotations

import json
import os
import pwd
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from . import bundle as rules
from . import fetch, files, keygen, pins
from .bundle import Bundle
from .config import Config
from .dropin import DropIn
from .errors import BundleRefused, HostError, TooOld, Unreachable

Say = Callable[[str], None]


@dataclass(frozen=True)
class Refresher:
    """Refreshes one host; ``say`` is called with a line for each change and each warning."""

    config: Config
    say: Say

    def refresh(self, now: float) -> None:
        """Do one refresh. ``now`` is in seconds since the epoch, only to warn of an old bundle.

        Raises ``HostError`` for the first thing that is wrong, after having done all that could be done.
        """
        home = self.config.home
        files.folder(home)
        with files.locked(home / ".lock"):
            files.remove_leftovers(home)
            held = self._held()
            problem: HostError | None = None
            try:
                held = self._newest(held) or held
            except (BundleRefused, Unreachable) as error:
                problem = error
            if held is not None:
                self._apply(held)
                self._warn(held, now)
                DropIn(self.config).apply(self.say)
            if problem is not None:
                raise problem

    # -------------------------------------------------------------------------------------- what may be believed

    def _held(self) -> Bundle | None:
        """The bundle that this host holds. It was verified before it was written."""
        path = self.config.home / "bundle.json"
        data = files.read(path)
        if data is None:
            return None
        try:
            held = rules.read(data.decode("ascii"))
            rules.way(held, pins.read(self.config))
        except (BundleRefused, UnicodeDecodeError) as error:
            anew = f"to join anew, with the pinned root alone to go by, remove {path}"
            hint = error.hint if isinstance(error, TooOld) else anew
            raise HostError(f"{path} cannot be used: {error}", hint=hint) from None
        return held

    def _newest(self, held: Bundle | None) -> Bundle | None:
        """Ask the front end; return a bundle that this host now holds, or ``None`` if there is nothing new."""
        tag = self.config.home / "bundle.etag"
        known = (files.read(tag) or b"").decode("ascii", "ignore") if held else ""
        offer = fetch.bundle(self.config.url, known)
        if offer is None:
            return None
        bundle = rules.read(offer.bundle)
        changes = rules.way(bundle, pins.read(self.config))
        keygen.check_changes(self.config.ssh_keygen, changes)
        keygen.check_signature(self.config.ssh_keygen, bundle.text.encode("ascii"), offer.signature, bundle.root)
        if offer.sequence != bundle.sequence:
            raise BundleRefused("the front end names another sequence than the bundle")
        rules.check_succession(bundle, held)
        newer = held is None or rules.place(bundle) > rules.place(held)
        if newer:
            keygen.check_readable(self.config.ssh_keygen, bundle)
            if changes:
                pins.pin(self.config, bundle.root.fingerprint)
                self.say(f"the bundle's root is {bundle.root.fingerprint} now, signed by the one before it")
            files.write(self.config.home / "bundle.sig", offer.signature.encode("ascii"))
            files.write(self.config.home / "bundle.json", bundle.text.encode("ascii"))
            self.say(f"took bundle {bundle.sequence} of {bundle.installation}")
            for part in bundle.left_out:
                self.say(f"warning: this ssh-jit-host does not know {part}, and goes by the rest of the bundle")
        files.write(tag, offer.etag.encode("ascii"))
        return bundle if newer else None

    # ------------------------------------------------------------------------------------------- what it makes

    def _apply(self, bundle: Bundle) -> None:
        """Make the files that sshd reads, and the grants that ended early or were extended."""
        home = self.config.home
        for path, data in self._files(bundle).items():
            if files.write(path, data):
                self.say(f"wrote {path}")
        principals = home / "principals"
        files.folder(principals)
        files.remove_leftovers(principals)
        for login in self.config.logins:
            if files.write(principals / login, f"{login}@{self.config.host_id}\n".encode("ascii")):
                self.say(f"wrote {principals / login}")
        for path in principals.iterdir():
            if path.name not in self.config.logins and not path.is_dir() and files.remove(path):
                self.say(f"removed {path}")

    def _files(self, bundle: Bundle) -> dict[Path, bytes]:
        home = self.config.home
        grants = {"ended": dict(bundle.ended), "extended": dict(bundle.extended)}
        return {
            home / "krl": bundle.revoked.data,
            home / "user_ca.pub": "".join(f"{key.line}\n" for key in bundle.user_ca).encode("ascii"),
            home / "grants.json": json.dumps(grants, sort_keys=True).encode("ascii") + b"\n",
        }

    def _warn(self, bundle: Bundle, now: float) -> None:
        if now > bundle.expires:
            day = datetime.fromtimestamp(bundle.expires, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
            self.say(f"warning: no newer bundle since {day}; still using it, but revocations may be missing")
        if bundle.oldest > rules.PROTOCOL:
            self.say(f"warning: this ssh-jit-host is too old for the CA; upgrade it to {bundle.release} or newer")
        ours = pwd.getpwuid(os.geteuid()).pw_name
        for reason in files.untrusted_folders(self.config.home, others=set(self.config.logins) != {ours}):
            self.say(f"warning: {reason}")
