"""The first keys of an installation: made in files, or taken from where they are already.

Where each lives is written to ``keys/first.json``, which the CA reads once, when its log is still empty; from then on
the log says it. The public half of each lies beside it, also of keys in agents and on tokens: the log's first one is
where every verification begins.
"""

from __future__ import annotations

from pathlib import Path

from sshjit import canonical, sshkey, wire
from sshjit.ca_protocol.keys import Purpose
from sshjit.errors import Failed, Invalid
from sshjit.sshkey import PublicKey
from sshjit_ca.keys import files, references
from sshjit_ca.keys.generation import Maker, opened
from sshjit_ca.keys.key_store import KeyStore
from sshjit_ca.keys.locations import KeyLocations
from sshjit_ca.keys.signer import PURPOSES
from sshjit_ca.machine.durable import write_durably

NAME = "first.json"


def begin(
    folder: Path, places: KeyLocations, given: dict[Purpose, str], passphrase: str | None
) -> dict[Purpose, PublicKey]:
    """Takes the keys at the references ``given``, each of which must sign once, and makes files for the others.

    ``passphrase`` is the source of what the files are encrypted by. Nothing is written before every key was tried.

    Raises:
        Invalid: ``already_made``, ``same_key``, ``bad_key_type``, ``bad_reference``.
        Failed: why a key or the passphrase cannot be used.

    """
    if any((folder / name).exists() for purpose in PURPOSES for name in (purpose, f"{purpose}.pub", NAME)):
        raise Invalid("already_made", f"{folder} already contains keys", hint="nothing was changed")
    key_store = KeyStore(places)
    public_keys = {purpose: opened(key_store, reference).public for purpose, reference in given.items()}
    if len({key.fingerprint for key in public_keys.values()}) != len(public_keys):
        raise Invalid("same_key", "one key is used for two purposes", hint="use a different key for each purpose")
    if "log" in public_keys and public_keys["log"].type != sshkey.ED25519:
        raise Invalid("bad_key_type", "the log's key must be Ed25519: checkpoints are C2SP signed notes")
    maker = Maker.of(key_store, passphrase)
    folder.mkdir(parents=True, exist_ok=True)
    written = dict(given)
    for purpose in PURPOSES:
        path = folder / purpose
        if purpose in public_keys:
            files.public_file(path).write_text(f"{public_keys[purpose].line}\n", encoding="ascii")
            continue
        made = maker.make(path)
        public_keys[purpose], written[purpose] = made.public, made.reference
    write_durably(folder / NAME, canonical.dumps(written) + b"\n")
    return public_keys


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
        raise Failed("no_key", f"{path} does not name the first keys: {error}") from None
