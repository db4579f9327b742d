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
from pathlib import Path

from sshjit_host import alarms, pins
from sshjit_host.config import Config
from sshjit_host.errors import BundleRefused, HostError, TooOld, Unreachable
from sshjit_host.formats import bundle as rules
from sshjit_host.formats.bundle import Bundle
from sshjit_host.formats.certificate_types import POST_QUANTUM
from sshjit_host.front_end import fetch, post_quantum_host_key, renewal
from sshjit_host.machine import files
from sshjit_host.openssh import abilities, beside, keygen, owner_lists, pam_hook, trusted_types
from sshjit_host.openssh.dropin import DropIn

Say = Callable[[str], None]


@dataclass(frozen=True)
class Refresher:
    """Refreshes one host; ``say`` is called with a line for each change and each warning."""

    config: Config
    say: Say

    def refresh(self, now: float, wait: int = 0) -> fetch.Poll:
        """Do one refresh. ``now`` is in seconds since the epoch, only to warn of an old bundle.

        The front end may wait so many seconds for a newer bundle, unless something is wrong here already. Returns what
        came of asking. Raises ``HostError`` for the first thing that is wrong, after having done all that could be
        done.
        """
        try:
            poll = self._refresh(now, wait)
        except HostError as error:
            alarms.note(self.config, error.message, now)
            raise
        alarms.clear(self.config)
        return poll

    def _refresh(self, now: float, wait: int) -> fetch.Poll:
        self._require_joined()
        home, dropin = self.config.home, DropIn(self.config)
        files.folder(home)
        with self._locked():
            held = self.held()
            problem = None if held is None else self._made_from(held, dropin, now)
        poll, refusal = self._fetched(held, 0 if problem else wait)
        offer = poll.offer
        if wait:
            dropin = DropIn(self.config)  # which asks sshd anew: what it said before may have changed meanwhile
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
        return poll

    def take(self, offer: fetch.Offer, now: float) -> Bundle:
        """Take the first bundle of this host and make its files. Raises ``HostError`` for whatever is wrong."""
        files.folder(self.config.home)
        with self._locked():
            bundle = self._newest(None, offer)
            problem = self._made_from(bundle, DropIn(self.config), now)
        if problem:
            raise problem
        return bundle

    def remake(self, bundle: Bundle, now: float) -> None:
        """Make all files from the bundle that is held. Raises ``HostError`` for whatever is wrong."""
        with self._locked():
            problem = self._made_from(bundle, DropIn(self.config), now)
        if problem:
            raise problem

    def _made_from(self, bundle: Bundle, dropin: DropIn, now: float) -> HostError | None:
        """Makes all files from a bundle and says its warnings; what went wrong, which keeps no newer bundle away."""
        try:
            self._apply(bundle, dropin)
            self._warn(bundle, now)
            post_quantum_host_key.remove_untrusted(dropin, bundle, self.say)
            dropin.apply(self.say)
        except HostError as error:
            return error
        return None

    def _renew(self, bundle: Bundle, dropin: DropIn, now: float) -> HostError | None:
        """Renews the host certificates that are due, and has sshd read them; what went wrong with that."""
        certificates = renewal.fetched(dropin, bundle, now, self.say)
        certificates.update(post_quantum_host_key.fetched(dropin, bundle, now, self.say))
        if not certificates:
            return None
        try:
            with self._locked():
                for path, data in certificates.items():
                    is_first = not path.exists()
                    files.write(path, data)
                    self.say(f"{'wrote' if is_first else 'renewed'} {path}")
                dropin.apply(self.say)
        except HostError as error:
            return error
        return None

    def _require_joined(self) -> None:
        """A program that still runs when the host leaves must not set it up again."""
        path = self.config.path
        if self.config.loaded and not path.exists():
            raise HostError(f"{path} is gone: this host has left", hint="ssh-jit-host join; or end this program")

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Nobody else changes this host's files meanwhile. Nothing that others can draw out happens in here."""
        home = self.config.home
        with files.locked(home / ".lock"):
            self._require_joined()
            files.remove_leftovers(home)
            yield

    def _fetched(self, held: Bundle | None, wait: int) -> tuple[fetch.Poll, HostError | None]:
        """What the front end offers, or why it offers nothing; neither, if what is held is the newest."""
        tag = self.config.home / "bundle.etag"
        known = (files.read(tag) or b"").decode("ascii", "ignore") if held else ""
        try:
            return fetch.bundle(self.config.url, known, wait), None
        except (BundleRefused, Unreachable) as error:
            return fetch.Poll(None), error

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
        bundle, changes = self.checked(offer, held)
        if held is None or rules.place(bundle) > rules.place(held):
            abilities.check_readable(self.config, bundle)
            if changes:
                pins.pin(self.config, bundle.root.fingerprint)
                self.say(f"the bundle's root is {bundle.root.fingerprint} now, signed by the one before it")
            files.write(self.config.home / "bundle.sig", offer.signature.encode("ascii"))
            files.write(self.config.home / "bundle.json", bundle.text.encode("ascii"))
            self.say(f"took bundle {bundle.sequence} of {bundle.installation}")
            for part in bundle.unread(abilities.later_types(self.config, bundle)):
                self.say(f"warning: this ssh-jit-host does not know {part}, and goes by the rest of the bundle")
            held = bundle
        files.write(self.config.home / "bundle.etag", offer.etag.encode("ascii"))
        return held

    def checked(self, offer: fetch.Offer, held: Bundle | None = None) -> tuple[Bundle, tuple[rules.Succession, ...]]:
        """The bundle of an offer that may be believed, and the changes of the root that lead to it.

        Raises ``BundleRefused``.
        """
        bundle = rules.read(offer.bundle)
        changes = keygen.verify(self.config.ssh_keygen, bundle, offer.signature, pins.read(self.config))
        if offer.sequence != bundle.sequence:
            raise BundleRefused("the front end names another sequence than the bundle")
        rules.check_succession(bundle, held)
        return bundle, changes

    # ------------------------------------------------------------------------------------------- what it makes

    def _apply(self, bundle: Bundle, dropin: DropIn) -> None:
        """Make the files that sshd reads, and the grants that ended early or were extended.

        The revocation list comes first. If there is none that this machine can read, the old one stays, and the rest
        is done all the same: it may take away what was trusted.
        """
        home, problem = self.config.home, None
        try:
            pam_hook.bring_up_to_date(self.config, self.say)
        except HostError as error:
            self.say(f"warning: {error.message}, so the session hook in PAM stays as an older release wrote it")
        types = self._types(bundle)
        try:
            self._write(home / "krl", self._list(bundle, types))
        except HostError as error:
            problem = error
        for path, data in self._files(bundle, types).items():
            self._write(path, data)
        principals = home / "principals"
        files.folder(principals)
        files.remove_leftovers(principals)
        for login in self.config.logins:
            self._write(principals / login, beside.principals(self.config, login).encode("ascii"))
        if self.config.jump_login:
            own = (passage for passage in bundle.bastions if passage.bastion == self.config.host_id)
            lines = "".join(passage.line for passage in own)
            self._write(principals / self.config.jump_login, lines.encode("ascii"))
        for path in principals.iterdir():
            if path.name not in self.config.accounts and not path.is_dir() and files.remove(path):
                self.say(f"removed {path}")
        if self.config.beside:
            beside.update(self.config, dropin.counts, self.say)
        if problem is not None:
            raise problem

    def _types(self, bundle: Bundle) -> frozenset[str]:
        """The types of CA keys that this sshd is given beside the usual ones."""
        types = trusted_types.decide(self.config, bundle)
        if types.problem:
            self.say(f"warning: post-quantum certificates are not taken here: {types.problem}")
        alone = bundle.post_quantum is not None and self.config.host_id in bundle.post_quantum.only
        if alone and POST_QUANTUM not in types.kinds:
            self.say("warning: this host is to take post-quantum certificates alone, and takes the others as well")
        return types.kinds

    def _write(self, path: Path, data: bytes) -> None:
        if files.write(path, data):
            self.say(f"wrote {path}")

    def _list(self, bundle: Bundle, types: frozenset[str]) -> bytes:
        """The one revocation list that sshd reads: the bundle's, and the owner's. Raises ``HostError``."""
        data = owner_lists.whole(self.config, bundle, types)
        if types or files.read(self.config.home / "krl") != data:
            abilities.check_list(self.config, bundle, data)
        return data

    def _files(self, bundle: Bundle, types: frozenset[str]) -> dict[Path, bytes]:
        home = self.config.home
        grants = {"ended": dict(bundle.ended), "extended": dict(bundle.extended)}
        lines = bundle.user_keys(types, self.config.host_id)
        # The session hook comes first, so that no CA key opens a session before the hook knows it.
        stub = pam_hook.stub_path(self.config)
        hook = {stub: pam_hook.stub(self.config, bundle)} if stub.exists() else {}
        return {
            **hook,
            home / "user_ca.pub": "".join(f"{line}\n" for line in lines).encode("ascii"),
            home / "grants.json": json.dumps(grants, sort_keys=True).encode("ascii") + b"\n",
        }

    def _warn(self, bundle: Bundle, now: float) -> None:
        if stale := alarms.stale(bundle, now):
            self.say(f"warning: {stale}")
        if bundle.oldest > rules.PROTOCOL:
            self.say(f"warning: this ssh-jit-host is too old for the CA; upgrade it to {bundle.release} or newer")
        for reason in files.untrusted_folders(self.config.home, others=self.config.opens_others):
            self.say(f"warning: {reason}")
