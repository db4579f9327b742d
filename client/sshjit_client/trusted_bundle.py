"""The bundle that this machine trusts (``docs/protocol.md``, section 3).

A new bundle is accepted if the pinned root signed it, it is for the installation of the set-up, and it is newer than
the kept one. A refused bundle changes nothing: the kept one stays in use, and the person is told. The list of revoked
host keys in it goes into a file that ssh reads by itself, also for connections without ssh-jit; how hosts are known,
into the files of the certificates that are kept (``ssh/known_hosts.py``).
"""

from __future__ import annotations

import dataclasses
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sshjit import bundle, krl, names, sshkey, versions, wire
from sshjit.bundle import Bundle
from sshjit.errors import Failed, Invalid, Refused, SshJitError
from sshjit_client.console.terminal import Terminal
from sshjit_client.network import http_client
from sshjit_client.ssh import known_hosts, openssh
from sshjit_client.storage import files, paths
from sshjit_client.storage import settings as settings_of
from sshjit_client.storage.machine import HeldBundle, Machine, Settings

FRESH = 300
"""Seconds after which we ask the server for a newer bundle before we use a certificate."""
FILE = "bundle.json"
REVOKED = "revoked_host_keys"
"""The file beside it with the bundle's revocation list, for ssh's ``RevokedHostKeys``."""


def root_of(text: str) -> sshkey.PublicKey:
    """The root that a bundle names for itself. Do not trust it until a person has pinned it."""
    value = wire.loads(text.encode("utf-8"), limit=bundle.MAX_BYTES)
    line = value.get("root") if isinstance(value, dict) else None
    if not isinstance(line, str):
        raise Invalid("bad_bundle", "the bundle names no root")
    return sshkey.parse_line(line)


def verify(text: str, signature: str, *, pin: str, plain_http: bool) -> Bundle:
    """The bundle, if its root signed exactly this text and is the key with the fingerprint ``pin``, or follows from it.

    A root follows from another one if that one signed it.

    Raises:
        Refused: ``other_root``, ``bad_signature``.
        Invalid: what is wrong with its content.

    """
    offered = bundle.read(text, plain_http=plain_http)
    for change in bundle.way(offered, pin):
        if not openssh.verify(change.old, bundle.SUCCESSION, change.new.encode("ascii"), change.signature):
            raise Refused("bad_signature", "a root of the bundle is not signed by the one before it")
    if not openssh.verify(offered.root, bundle.NAMESPACE, text.encode("utf-8"), signature):
        raise Refused("bad_signature", "the bundle's signature is not by its root")
    return offered


def pinned(settings: Settings, verified: Bundle) -> Settings:
    """The settings with a verified bundle's root pinned, so that older roots are refused from now on."""
    return dataclasses.replace(settings, root=sshkey.parse_line(verified.root).fingerprint)


def download(url: str, etag: str = "") -> HeldBundle | None:
    """The server's bundle, not verified; ``None`` if it is the one that ``etag`` names.

    Raises:
        Refused: ``too_old``, with what to upgrade this program to.
        Failed: ``no_bundle``, ``unreachable``.

    """
    from sshjit.api.bundle import BundleReply  # noqa: PLC0415  # most connections have a fresh bundle

    address, etag = f"{url.rstrip('/')}/bundle", names.entity_tag(etag)
    answer = http_client.exchange("GET", address, headers={"If-None-Match": etag} if etag else {})
    if etag and 400 <= answer.status < 500:  # what is kept may be what it is refused for
        etag, answer = "", http_client.exchange("GET", address)
    if etag and answer.status == 304:
        return None
    if answer.status != 200:
        from sshjit_client.api.basic import error_of  # noqa: PLC0415

        error = error_of(answer)
        if error.code == "too_old":
            raise error
        raise Failed("no_bundle", f"the server gave no bundle: {error.message}", hint=error.hint)
    try:
        reply = wire.decode_answer(BundleReply, wire.loads(answer.body, limit=bundle.MAX_BYTES))
    except Invalid as error:
        raise Failed(
            "no_bundle", f"the server's answer is not a bundle: {error}", hint="is this an ssh-jit server?"
        ) from None
    if reply.bundle is None or reply.signature is None:
        raise Failed("no_bundle", "the server sent no bundle")
    return HeldBundle(reply.sequence, reply.bundle, reply.signature, names.entity_tag(answer.etag))


def accept(new: HeldBundle, held: Bundle | None, settings: Settings) -> Bundle | None:
    """The new bundle if it may replace the kept one; ``None`` if it is the same.

    Raises:
        Refused, Invalid: when it can't be trusted.

    """
    offered = verify(new.bundle, new.signature, pin=settings.root, plain_http=plain(settings))
    if offered.installation != settings.installation:
        raise Invalid("other_installation", f"the bundle is for {offered.installation}, not {settings.installation}")
    return offered if bundle.replaces(offered, held) else None


@dataclass(frozen=True, slots=True)
class Kept:
    """The newest bundle that is kept for an installation, and the folder that it is in."""

    stored: HeldBundle
    bundle: Bundle
    folder: Path

    @property
    def revoked(self) -> Path:
        """The file with its list of revoked host keys."""
        return self.folder / REVOKED

    @property
    def age(self) -> tuple[int, float]:
        """What is larger for the newer one: of the same bundle in two places, the one that was checked last."""
        return self.bundle.sequence, self.checked

    @property
    def checked(self) -> float:
        """When the server was asked last whether there is a newer one; seconds since the epoch."""
        return (self.folder / FILE).stat().st_mtime


def kept(machine: Machine, settings: Settings) -> Kept | None:
    """The newest bundle that is kept and whose root is the pinned one, or follows from it.

    A place that could not be written to may still have an older one, or one of another root.
    """
    newest: Kept | None = None
    for folder in (*machine.lasting_folders(settings), _old_folder(machine)):
        stored = files.load(folder / FILE, HeldBundle)
        if stored is None or not paths.private(str(folder)):
            continue
        held = bundle.read(stored.bundle, plain_http=plain(settings))
        with suppress(Refused):
            bundle.way(held, settings.root)
            found = Kept(stored, held, folder)
            if newest is None or found.age > newest.age:
                newest = found
    return newest


def current(machine: Machine, settings: Settings, *, fresh: int = FRESH) -> Kept:
    """The newest trusted bundle; asks the server if the last time was ``fresh`` seconds ago.

    Raises:
        Failed: when there is none at all.

    """
    terminal = machine.terminal
    held = kept(machine, settings)
    if held and (held.folder == _old_folder(machine) or not held.revoked.exists()):
        old, held = held, keep(machine, settings, held.stored, held.bundle)
        _take_over(old, held)
    if held and time.time() - held.checked < fresh:
        return _not_old(held, terminal)
    try:
        new = download(settings.url, held.stored.etag if held else "")
        pin = pinned(settings, held.bundle) if held else settings
        accepted = accept(new, held.bundle if held else None, pin) if new else None
        if new and accepted:
            if pin != (moved := pinned(pin, accepted)):
                _pin(machine, moved)
            held = keep(machine, settings, new, accepted)
            for warning in warnings(accepted):
                terminal.say(warning)
        elif held:
            held = _touched(machine, settings, held)
    except SshJitError as error:
        if held is None:
            raise
        upgrade = f"; {error.hint}" if error.code == "too_old" else ""
        terminal.say(f"kept the old bundle (trusted keys and revocations): {error}{upgrade}")
    if held is None:
        raise Failed("no_bundle", "there is no bundle yet", hint="ssh-jit setup URL")
    return _not_old(held, terminal)


def keep(machine: Machine, settings: Settings, new: HeldBundle, trusted: Bundle) -> Kept:
    """Keeps a trusted bundle. What ssh reads of it is written first: that it is too new harms nobody.

    Raises:
        Failed: ``no_folder``: nothing can be written anywhere.

    """
    for login in paths.login_folders(machine.environ, settings.name):
        with suppress(OSError):  # what stays as it was refuses a host; the next certificate brings what counts
            for kind in ("open", "plain"):
                known_hosts.update(Path(login, kind), trusted, plain_ssh=kind == "plain")

    def write(folder: Path) -> Kept:
        files.private_folder(files.private_folder(folder.parent) / folder.name)
        files.write(folder / REVOKED, bundle.krl_of(trusted))
        apart = folder / f"{REVOKED}{known_hosts.APART}"
        if trusted.post_quantum is None:
            apart.unlink(missing_ok=True)
        else:
            files.write(apart, krl.decode(trusted.post_quantum.krl))
        files.save(folder / FILE, new)
        return Kept(new, trusted, folder)

    return files.in_first(machine.lasting_folders(settings), write, machine.terminal.say)


def _old_folder(machine: Machine) -> Path:
    """Where earlier versions kept the bundle: beside the settings. It is only read there."""
    return Path(paths.config_folder(machine.environ))


def forget(machine: Machine, settings: Settings) -> None:
    """Removes the bundle and the list of hosts of an installation."""
    import shutil  # noqa: PLC0415  # only setup needs it

    for folder in machine.lasting_folders(settings):
        shutil.rmtree(folder, ignore_errors=True)


def _take_over(old: Kept, new: Kept) -> None:
    """Makes what was kept elsewhere by an earlier version as old as it was, and removes it there."""
    if old.folder != new.folder:
        with suppress(OSError):
            os.utime(new.folder / FILE, (old.checked, old.checked))
            old.revoked.unlink(missing_ok=True)
            (old.folder / FILE).unlink()


def _touched(machine: Machine, settings: Settings, held: Kept) -> Kept:
    """Notes that the server was asked just now. Where that cannot be noted, a copy is kept where it can."""
    try:
        (held.folder / FILE).touch()
    except OSError:
        return keep(machine, settings, held.stored, held.bundle)
    return held


def _pin(machine: Machine, moved: Settings) -> None:
    """Writes down which root counts from now on. Where that cannot be written, the kept bundle says it."""
    machine.terminal.say(f"the installation has a new root, signed by the one before it: {moved.root}")
    try:
        settings_of.save(machine.environ, moved)
    except (OSError, Failed) as error:
        machine.terminal.say(f"the settings can't be written, and name the old one still: {error}")


def warnings(held: Bundle) -> list[str]:
    """What to tell the person about a bundle with parts that this program does not know."""
    upgrade = f"upgrade it to {held.release} or newer" if held.release else "upgrade it"
    old = [f"this ssh-jit is too old for the server: {upgrade}"] if held.oldest > versions.PROTOCOL else []
    return old + [f"this ssh-jit does not know {part}; it goes by the rest" for part in held.left_out]


def plain(settings: Settings) -> bool:
    """Whether addresses may be plain http on loopback: only if the set-up was by such an address."""
    return settings.url.startswith("http://")


def _not_old(held: Kept, terminal: Terminal) -> Kept:
    if held.bundle.expires < time.time():
        terminal.say(f"the bundle is overdue for renewal (number {held.bundle.sequence}); using it anyway")
    return held
