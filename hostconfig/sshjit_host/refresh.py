"""One refresh: fetch the bundle, take it if it may be believed, and write this host's files from it.

The held bundle (``bundle.json``) is the state. Every run makes all other files from it, so a lost or changed file comes
back even while the front end is down, and its warnings come before anything is fetched. A new bundle is stored before
it is applied, and a revocation list is written before the drop-in that names it. A host is never closed because its
bundle is old. The front end is asked outside the lock: however slowly it answers, another run is not held up.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from . import bundle as rules
from . import fetch, files, keygen, pins, renewal
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
        home, dropin = self.config.home, DropIn(self.config)
        files.folder(home)
        with self._locked():
            held = self.held()
            problem = None if held is None else self._made_from(held, dropin, now)
        offer, refusal = self._fetched(held)
        if offer is not None:
            with self._locked():
                try:
                    new = self._newest(held, offer)
                except BundleRefused as error:
                    refusal = error
                else:
                    if held is None or new.text != held.text:
                        problem = self._made_from(new, dropin, now)
                    held = new
        if held is not None:
            problem = self._renew(held, dropin, now) or problem
        if problem or refusal:
            raise problem or refusal  # type: ignore[misc]

    def _made_from(self, bundle: Bundle, dropin: DropIn, now: float) -> HostError | None:
        """Makes all files from a bundle and says its warnings; what went wrong, which keeps no newer bundle away."""
        try:
            self._apply(bundle)
            self._warn(bundle, now)
            dropin.apply(self.say)
        except HostError as error:
            return error
        return None

    def _renew(self, bundle: Bundle, dropin: DropIn, now: float) -> HostError | None:
        """Renews the host certificates that are due, and has sshd read them; what went wrong with that."""
        certificates = renewal.fetched(dropin, bundle, now, self.say)
        if not certificates:
            return None
        try:
            with self._locked():
                for path, data in certificates.items():
                    files.write(path, data)
                    self.say(f"renewed {path}")
                dropin.apply(self.say)
        except HostError as error:
            return error
        return None

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Nobody else changes this host's files meanwhile. Nothing that others can draw out happens in here."""
        home = self.config.home
        with files.locked(home / ".lock"):
            files.remove_leftovers(home)
            yield

    def _fetched(self, held: Bundle | None) -> tuple[fetch.Offer | None, HostError | None]:
        """What the front end offers, or why it offers nothing; neither, if what is held is the newest."""
        tag = self.config.home / "bundle.etag"
        known = (files.read(tag) or b"").decode("ascii", "ignore") if held else ""
        try:
            return fetch.bundle(self.config.url, known), None
        except (BundleRefused, Unreachable) as error:
            return None, error

    # -------------------------------------------------------------------------------------- what may be believed

    def held(self) -> Bundle | None:
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

    def _newest(self, asked: Bundle | None, offer: fetch.Offer) -> Bundle:
        """The newest bundle that this host holds now: the offer, unless another run took a newer one meanwhile.

        ``asked`` is what it held when it asked. Raises ``BundleRefused`` if the offer may not be believed.
        """
        held = self.held()
        if held is not None and (asked is None or held.text != asked.text) and offer.sequence < held.sequence:
            return held
        bundle = rules.read(offer.bundle)
        changes = rules.way(bundle, pins.read(self.config))
        keygen.check_changes(self.config.ssh_keygen, changes)
        keygen.check_signature(self.config.ssh_keygen, bundle.text.encode("ascii"), offer.signature, bundle.root)
        if offer.sequence != bundle.sequence:
            raise BundleRefused("the front end names another sequence than the bundle")
        rules.check_succession(bundle, held)
        if held is None or rules.place(bundle) > rules.place(held):
            keygen.check_readable(self.config.ssh_keygen, bundle)
            if changes:
                pins.pin(self.config, bundle.root.fingerprint)
                self.say(f"the bundle's root is {bundle.root.fingerprint} now, signed by the one before it")
            files.write(self.config.home / "bundle.sig", offer.signature.encode("ascii"))
            files.write(self.config.home / "bundle.json", bundle.text.encode("ascii"))
            self.say(f"took bundle {bundle.sequence} of {bundle.installation}")
            for part in bundle.left_out:
                self.say(f"warning: this ssh-jit-host does not know {part}, and goes by the rest of the bundle")
            held = bundle
        files.write(self.config.home / "bundle.etag", offer.etag.encode("ascii"))
        return held

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
        for reason in files.untrusted_folders(self.config.home, others=self.config.opens_others):
            self.say(f"warning: {reason}")
