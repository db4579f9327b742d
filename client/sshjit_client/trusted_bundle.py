"""Which bundle is believed (``docs/protocol.md``, section 3).

A bundle counts if the pinned root signed it, it is for the installation that was set up, and it is newer than what is
held. A bundle that is refused changes nothing: the one that is held stays in use, and the person is told. What it says
of revoked host certificates goes into a file that ssh reads by itself, at connections without us too.
"""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

from sshjit import bundle, sshkey, wire
from sshjit.bundle import Bundle
from sshjit.errors import Failed, Invalid, Refused, SshJitError
from sshjit_client import files, http_client, openssh
from sshjit_client.machine import HeldBundle, Settings
from sshjit_client.terminal import Terminal

FRESH = 300
"""Seconds after which the server is asked for a newer bundle before a certificate is used."""
REVOKED = "revoked_host_keys"
"""The file beside ``bundle.json`` that holds the bundle's revocation list, for ssh to refuse hosts by."""


def root_of(text: str) -> sshkey.PublicKey:
    """The root that a bundle names for itself. Nothing may follow from it until somebody pinned it."""
    value = wire.loads(text.encode("utf-8"), limit=bundle.MAX_BYTES)
    line = value.get("root") if isinstance(value, dict) else None
    if not isinstance(line, str):
        raise Invalid("bad_bundle", "the bundle names no root")
    return sshkey.parse_line(line)


def verify(text: str, signature: str, *, pin: str, plain_http: bool) -> Bundle:
    """The bundle, if its root signed exactly this text, and is the key with the fingerprint ``pin`` or follows from it.

    One root follows from another if that one signed it.

    Raises:
        Refused: ``other_root``, ``bad_signature``.
        Invalid: what is wrong with its content.

    """
    found = bundle.read(text, plain_http=plain_http)
    for change in bundle.way(found, pin):
        if not openssh.verify(change.old, bundle.SUCCESSION, change.new.encode("ascii"), change.signature):
            raise Refused("bad_signature", "a root of the bundle is not signed by the one before it")
    if not openssh.verify(found.root, bundle.NAMESPACE, text.encode("utf-8"), signature):
        raise Refused("bad_signature", "the bundle's signature is not by its root")
    return found


def pinned(settings: Settings, found: Bundle) -> Settings:
    """The settings that pin a verified bundle's root, so that an older root counts no more."""
    return dataclasses.replace(settings, root=sshkey.parse_line(found.root).fingerprint)


def download(url: str, etag: str = "") -> HeldBundle | None:
    """What the server has, unverified; ``None`` if it is what ``etag`` names."""
    from sshjit.api.bundle import BundleReply  # noqa: PLC0415  # most connections have a bundle that is fresh

    headers = {"If-None-Match": etag} if etag else {}
    answer = http_client.exchange("GET", f"{url.rstrip('/')}/bundle", headers=headers)
    if answer.status == 304:
        return None
    if answer.status != 200:
        raise Failed("no_bundle", f"the server has no bundle (HTTP {answer.status})")
    try:
        reply = wire.decode(BundleReply, wire.loads(answer.body, limit=bundle.MAX_BYTES))
    except Invalid as error:
        raise Failed("no_bundle", f"this is not a bundle: {error}", hint="is this an ssh-jit server?") from None
    if reply.bundle is None or reply.signature is None:
        raise Failed("no_bundle", "the server sent no bundle")
    return HeldBundle(reply.sequence, reply.bundle, reply.signature, answer.etag)


def accept(new: HeldBundle, held: Bundle | None, settings: Settings) -> Bundle | None:
    """The new bundle if it may replace the one that is held; ``None`` if it is the same.

    Raises:
        Refused, Invalid: when it is not to be believed.

    """
    found = verify(new.bundle, new.signature, pin=settings.root, plain_http=plain(settings))
    if found.installation != settings.installation:
        raise Invalid("other_installation", f"the bundle is for {found.installation}, not {settings.installation}")
    return found if bundle.replaces(found, held) else None


def current(settings: Settings, folder: Path, terminal: Terminal, *, fresh: int = FRESH) -> Bundle:
    """The newest bundle that is to be believed; asks the server if the last time was ``fresh`` seconds ago.

    Raises:
        Failed: when there is none at all.

    """
    path = folder / "bundle.json"
    stored = files.load(path, HeldBundle)
    held = bundle.read(stored.bundle, plain_http=plain(settings)) if stored else None
    if stored and held and not (folder / REVOKED).exists():
        _keep_list(folder, held)
    if stored and time.time() - path.stat().st_mtime < fresh:
        return _not_old(held, terminal)
    try:
        new = download(settings.url, stored.etag if stored else "")
        found = accept(new, held, settings) if new else None
        if new and found:
            if settings != (moved := pinned(settings, found)):
                files.save(folder / "config.json", moved)
                terminal.say(f"the installation's root is {moved.root} now, signed by the one before it")
            keep(folder, new, found)
            held = found
        else:
            path.touch()
    except SshJitError as error:
        if held is None:
            raise
        terminal.say(f"no newer bundle was taken: {error}")
    return _not_old(held, terminal)


def keep(folder: Path, new: HeldBundle, found: Bundle) -> None:
    """Keeps a bundle that is believed, the list that ssh reads first: one that is too new harms nobody."""
    _keep_list(folder, found)
    files.save(folder / "bundle.json", new)


def plain(settings: Settings) -> bool:
    """Whether addresses may be plain http on loopback: only in an installation that was set up so."""
    return settings.url.startswith("http://")


def _keep_list(folder: Path, found: Bundle) -> None:
    files.write(folder / REVOKED, bundle.krl_of(found))


def _not_old(held: Bundle | None, terminal: Terminal) -> Bundle:
    if held is None:
        raise Failed("no_bundle", "there is no bundle yet", hint="ssh-jit setup URL")
    if held.expires < time.time():
        terminal.say(f"the bundle should have been renewed by now (number {held.sequence}); going on with it")
    return held
