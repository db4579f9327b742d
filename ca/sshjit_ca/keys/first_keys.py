"""The first keys of an installation: made in files, or taken from where they are already.

Where each lives is written to ``keys/first.json``, which the CA reads once, when its log is still empty; from then on
the log says it. The public half of each lies beside it, also of keys in agents and on tokens: the log's first one is
where every verification begins.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from sshjit import canonical, sshkey, wire
from sshjit.ca_protocol.keys import Purpose
from sshjit.errors import Failed, Invalid
from sshjit.events import KeyActivated, KeyAdded
from sshjit.sshkey import PublicKey
from sshjit_ca.keys import files, references
from sshjit_ca.keys.generation import Maker, Opened, opened
from sshjit_ca.keys.key_store import KeyStore
from sshjit_ca.keys.locations import KeyLocations
from sshjit_ca.keys.signer import PURPOSES
from sshjit_ca.machine.durable import make_folder, write_durably

_log = logging.getLogger(__name__)
NAME = "first.json"
_RECOVERY = "recovery"


def begin(
    folder: Path,
    places: KeyLocations,
    given: dict[Purpose, str],
    passphrase: str | None,
    *,
    database: bool = True,
    recovery: PublicKey | None = None,
) -> dict[Purpose, PublicKey]:
    """Takes the keys at the references ``given``, each of which must sign once, and makes files for the others.

    ``passphrase`` is the source of what the files are encrypted by. Nothing is written before every key was tried.
    What an ``init`` that was cut off left behind is gone on from: its whole files stay, and those that are not are made
    anew, which nobody was told of yet. The caller has made sure that the log is empty, and says whether the database is
    there as ``init`` leaves it. ``recovery``: the key in the safe, which hosts are to trust beside the CA's.

    Raises:
        Invalid: ``already_made``, ``same_key``, ``bad_key_type``, ``bad_reference``.
        Failed: why a key or the passphrase cannot be used; ``other_options``.

    """
    if database and _is_whole(folder):
        raise Invalid("already_made", f"{folder} already contains keys", hint="nothing was changed")
    _refuse_other_options(folder, given)
    key_store = KeyStore(places)
    public_keys = {purpose: opened(key_store, reference).public for purpose, reference in given.items()}
    if len({key.fingerprint for key in public_keys.values()}) != len(public_keys):
        raise Invalid("same_key", "one key is used for two purposes", hint="use a different key for each purpose")
    if "log" in public_keys and public_keys["log"].type != sshkey.ED25519:
        raise Invalid("bad_key_type", "the log's key must be Ed25519: checkpoints are C2SP signed notes")
    maker = Maker.of(key_store, passphrase)
    make_folder(folder)
    written: dict[str, str] = {purpose: where for purpose, where in given.items()}  # noqa: C416 - its type is wider
    for purpose in PURPOSES:
        path = folder / purpose
        if purpose in public_keys:
            files.write_public(path, public_keys[purpose])
            continue
        made = _left(maker, path) or maker.make(path)
        files.write_public(path, made.public)
        public_keys[purpose], written[purpose] = made.public, made.reference
    if recovery is not None:
        written[_RECOVERY] = recovery.line
    write_durably(folder / NAME, canonical.dumps(written) + b"\n")
    return public_keys


def entries(folder: Path, key_store: KeyStore) -> Iterator[KeyAdded | KeyActivated]:
    """What a new log says of these keys, the recovery key last: it never signs here, so it stays pending.

    Raises:
        Failed: ``no_key``, ``key_exposed``, ``bad_key_file``, ``same_key``.

    """
    seen = set()
    for purpose, reference in references_in(folder).items():
        public = key_store.open(reference).public
        if public.fingerprint in seen:
            raise Failed("same_key", "one key is used for two purposes", hint="use a different key for each purpose")
        if purpose == "log" and public.type != sshkey.ED25519:
            raise Failed("bad_key_file", "the log's key must be Ed25519 (C2SP signed notes)")
        seen.add(public.fingerprint)
        yield KeyAdded(purpose, public.fingerprint, public.line, reference)
        yield KeyActivated(purpose, public.fingerprint, None)
    if (recovery := recovery_in(folder)) is not None and recovery.fingerprint not in seen:
        reference = references.of_recovery(recovery.line)
        yield KeyAdded("user_ca", recovery.fingerprint, recovery.line, reference)


def recovery_in(folder: Path) -> PublicKey | None:
    """The public half of the recovery key that ``init`` made, if it made one. A missing file is ``references_in``'s."""
    try:
        line = wire.loads((folder / NAME).read_bytes()).get(_RECOVERY)
        return None if line is None else sshkey.parse_line(str(line))
    except FileNotFoundError:
        return None
    except (OSError, Invalid, AttributeError) as error:
        raise Failed("no_key", f"{folder / NAME} does not name the recovery key: {error}", hint=_AGAIN) from None


def _is_whole(folder: Path) -> bool:
    """Whether an ``init`` came to its end here, as far as the keys go; what can be derived from them may be missing."""
    try:
        wire.loads((folder / NAME).read_bytes())
        written = references_in(folder)
    except (OSError, Invalid, Failed):
        return False
    return all(
        _begins_as_key(reference.path) if isinstance(reference, references.File) else files.has_public(folder / purpose)
        for purpose, reference in ((purpose, references.parse(text)) for purpose, text in written.items())
    )


def _refuse_other_options(folder: Path, given: dict[Purpose, str]) -> None:
    """Refuses a file for a purpose for which the ``init`` before took a key from elsewhere, and the opposite."""
    try:
        known = references_in(folder) if (folder / NAME).exists() else {}
    except Failed:
        known = {}
    for purpose in PURPOSES:
        path = folder / purpose
        lost = known.get(purpose, "").startswith(references.of_file(path))
        elsewhere = files.public_file(path).exists() and not path.exists() and not lost
        if elsewhere != (purpose in given) and (elsewhere or path.exists()):
            option = f"--{purpose.replace('_', '-')} REFERENCE"
            text = f"an init that was cut off took {purpose} {'from elsewhere' if elsewhere else 'as a file'}"
            how = f"repeat it with its options, {option} among them" if elsewhere else f"repeat it without {option}"
            raise Failed("other_options", f"{text}; nothing was changed", hint=f"{how}, or remove {folder}: begin anew")


def _left(maker: Maker, path: Path) -> Opened | None:
    """A key that is there from before; ``None`` if there is none, or one of which the end is missing.

    Raises:
        Failed: why a whole one cannot be used, such as ``bad_passphrase`` where this time none, or another, is named.

    """
    if not path.exists():
        return None
    if not _begins_as_key(path):
        _log.warning("%s was cut off, and is made anew", path)
        path.unlink()
        return None
    return opened(maker.key_store, references.of_file(path, maker.source))


def _begins_as_key(path: Path) -> bool:
    """Whether a file is whole, from its first line to its last; what it holds is for who opens it."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return False
    return text.startswith(b"-----BEGIN ") and text.rstrip().endswith(b" PRIVATE KEY-----")


def derive(folder: Path) -> None:
    """Makes the public halves anew that are missing or damaged, from unencrypted private ones beside them."""
    for purpose in PURPOSES:
        path = folder / purpose
        if files.has_public(path):
            continue
        try:
            files.write_public(path, files.load_public(path))
        except (OSError, Failed) as error:
            _log.warning("%s", error)
        else:
            _log.warning("%s was missing or damaged, and is made anew from the key", files.public_file(path))


def references_in(folder: Path) -> dict[Purpose, str]:
    """Where the first keys live.

    Raises:
        Failed: ``no_key``.

    """
    path = folder / NAME
    try:
        written = wire.loads(path.read_bytes())
        return {purpose: str(written[purpose]) for purpose in PURPOSES}
    except FileNotFoundError:
        return {purpose: references.of_file(folder / purpose) for purpose in PURPOSES}
    except (OSError, Invalid, KeyError, TypeError) as error:
        raise Failed("no_key", f"{path} does not name the first keys: {error}", hint=_AGAIN) from None


_AGAIN = "ssh-jit-ca init, with the options of the first time, goes on where it was cut off"
