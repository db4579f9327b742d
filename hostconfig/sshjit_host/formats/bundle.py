"""The bundle's rules (``docs/protocol.md``, section 3): what a host takes over from it, and what it refuses.

Pure: no file, clock or program. That the bundle key signed the text is ``openssh/keygen.py``'s question; asking it
comes before anything here counts.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from typing import Any

from sshjit_host.errors import BundleRefused, TooOld
from sshjit_host.formats import checkpoint, krl, passages, sshkey, strictjson
from sshjit_host.formats import post_quantum as apart_rules
from sshjit_host.formats.certificate_types import POST_QUANTUM
from sshjit_host.formats.post_quantum import PostQuantum

PROTOCOL = 2
"""The version of what ssh-jit's programs say to each other that this program speaks (``docs/protocol.md``)."""
FORMATS = (1, 2)
NAMESPACE = "bundle@ssh-jit"
SUCCESSION = "root@ssh-jit"
"""The namespace of a root's signature over the line of the next one."""
MOST_CHANGES = 100
"""Changes of the root that are followed."""
LARGEST = 8 * 1024 * 1024
"""Characters of a bundle's text."""

_FIELDS = frozenset(
    (
        "bundle",
        "installation",
        "root",
        "succession",
        "sequence",
        "issued",
        "expires",
        "user_ca",
        "host_ca",
        "retired",
        "log_key",
        "providers",
        "krl",
        "ended",
        "extended",
        "checkpoint",
    )
)
_LATER = frozenset(("version", "oldest", "release", "critical", "host_keys", "bastions", "lineage", apart_rules.FIELD))
"""Fields of format 2. Others are ignored, unless ``critical`` names one."""
LIMIT = 2**53
"""Every number is below it."""
_GRANT = re.compile(r"[a-z]{1,8}-[0-9a-z]{8,40}", re.ASCII)
_RELEASE = re.compile(r"[0-9A-Za-z.+-]{1,32}", re.ASCII)
_INSTALLATION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)


@dataclass(frozen=True)
class Succession:
    """One change of the root; ``signature`` is the old key's over the new one's line, not verified here."""

    old: sshkey.PublicKey
    new: sshkey.PublicKey
    signature: str


@dataclass(frozen=True)
class Bundle:
    """A bundle whose content is sound. Times are seconds since the epoch, UTC; ``text`` is what was signed."""

    text: str
    installation: str
    root: sshkey.PublicKey
    succession: tuple[Succession, ...]
    sequence: int
    issued: int
    expires: int
    user_ca: tuple[sshkey.PublicKey, ...]
    user_ca_later: tuple[sshkey.LaterKey, ...]
    """Keys of types that this program does not know: for an sshd that does."""
    host_ca: tuple[sshkey.PublicKey, ...]
    retired: tuple[sshkey.PublicKey, ...]
    revoked: krl.RevocationList
    ended: tuple[tuple[str, int], ...]
    extended: tuple[tuple[str, int], ...]
    bastions: tuple[passages.Passage, ...]
    """What every bastion lets through."""
    format: int
    oldest: int
    """The oldest version of this program that the CA serves."""
    release: str
    """The CA's release: what a program that is too old is to be upgraded to."""
    left_out: tuple[str, ...]
    """What this program does not know, and so left out: for people."""
    post_quantum: PostQuantum | None = None
    """CA keys and a list for an sshd that reads their type; ``None`` where the operator has none."""

    def user_keys(self, types: frozenset[str], host_id: str) -> tuple[str, ...]:
        """The lines of CA keys that this host's sshd is given, where it reads ``types`` beside the usual ones.

        An sshd that does not know a type reads no further: those that came later stand last.
        """
        apart = self.post_quantum or PostQuantum()
        added = apart.user_ca if POST_QUANTUM in types else ()
        usual = () if added and host_id in apart.only else self.user_ca
        later = (key.line for key in self.user_ca_later if key.kind in types)
        return (*(key.line for key in usual), *later, *(key.line for key in added))

    def list_for(self, types: frozenset[str]) -> bytes:
        """The revocation list for an sshd that reads these types: sections follow each other after one header."""
        data = self.revoked.for_types(types)
        if self.post_quantum is None or POST_QUANTUM not in types:
            return data
        return krl.merge(data, self.post_quantum.revoked.data)

    def every_list(self) -> bytes:
        """All that is revoked, whether this machine's sshd reads of it or not."""
        later = b"".join(section.data for section in self.revoked.later)
        return krl.merge(self.revoked.data + later, self.post_quantum.revoked.data if self.post_quantum else krl.EMPTY)

    @property
    def checkpoint(self) -> str:
        """The log's newest checkpoint when it was made, a signed note."""
        return strictjson.typed(strictjson.loads(self.text), "checkpoint", str)

    @property
    def lineage(self) -> str:
        """What the CA told beside the checkpoint, which only the CA needs to understand; empty if nothing."""
        told = strictjson.loads(self.text).get("lineage", "")
        return told if isinstance(told, str) else ""

    def unread(self, types: frozenset[str]) -> tuple[str, ...]:
        """What is left out on a machine whose OpenSSH knows these types, of those that this program does not."""
        read = {
            text
            for kind in types
            for text in (
                f"keys of the type {kind} in user_ca",
                f"certificates by a key of the type {kind} in the revocation list",
            )
        }
        return tuple(part for part in self.left_out if part not in read)

    def ca_keys(self) -> frozenset[bytes]:
        """The blobs that are keys of CAs by this bundle's word: those in use, and those it revokes."""
        keys = self.user_ca + self.host_ca + self.retired + (self.post_quantum.keys if self.post_quantum else ())
        return frozenset(key.blob for key in keys) | frozenset(self.revoked_keys())

    def revoked_keys(self) -> tuple[bytes, ...]:
        """The keys (blobs) that its lists revoke whole."""
        return self.revoked.keys + (self.post_quantum.revoked.keys if self.post_quantum else ())


def read(text: str) -> Bundle:
    """Read a bundle's text; malformed or unsound content raises ``BundleRefused``."""
    try:
        return _read(text)
    except ValueError as error:
        raise BundleRefused(f"the bundle is not sound: {error}") from None


def _read(text: str) -> Bundle:
    if len(text) > LARGEST or not text.isascii():
        raise ValueError("it is too long or not ASCII")
    fields = strictjson.loads(text)
    if json.dumps(fields, sort_keys=True, separators=(",", ":")) != text:
        raise ValueError("it is not in its one spelling")
    strictjson.only(fields, required=_FIELDS, optional=frozenset(fields))
    release = _release(fields)
    _check_format(fields, release)
    user_ca, host_ca, retired = _keys(fields, "user_ca"), _keys(fields, "host_ca"), _keys(fields, "retired", empty=True)
    revoked = _krl(strictjson.typed(fields, "krl", str))
    left_out = (*user_ca.left_out, *host_ca.left_out, *retired.left_out)
    apart = apart_rules.read(fields) if fields["bundle"] != 1 else None
    checkpoint.check(strictjson.typed(fields, "checkpoint", str), strictjson.typed(fields, "log_key", str))
    strictjson.typed(fields, "providers", list)
    installation = strictjson.typed(fields, "installation", str)
    if not _INSTALLATION.fullmatch(installation):
        raise ValueError("the installation's name is malformed")
    issued, expires = _count(fields, "issued"), _count(fields, "expires")
    if issued >= expires:
        raise ValueError("it expires before it is issued")
    return Bundle(
        text=text,
        installation=installation,
        root=_key("root", strictjson.typed(fields, "root", str)),
        succession=_changes(fields),
        sequence=_count(fields, "sequence"),
        issued=issued,
        expires=expires,
        user_ca=user_ca.known,
        user_ca_later=user_ca.later,
        host_ca=host_ca.known,
        retired=retired.known,
        revoked=revoked,
        ended=_grants(fields, "ended"),
        extended=_grants(fields, "extended"),
        bastions=passages.read(fields, "bastions") if "bastions" in fields else (),
        format=fields["bundle"],
        oldest=strictjson.typed(fields, "oldest", int) if "oldest" in fields else 1,
        release=release,
        left_out=(
            *left_out,
            *(f"{section} in the revocation list" for section in revoked.left_out),
            *(apart.left_out if apart else ()),
        ),
        post_quantum=apart,
    )


def _release(fields: dict[str, Any]) -> str:
    found = strictjson.typed(fields, "release", str) if "release" in fields else ""
    return found if _RELEASE.fullmatch(found) else "the CA's release"


def _check_format(fields: dict[str, Any], release: str) -> None:
    """That the document is of a format, and has no critical field, that this program does not know."""
    number = strictjson.typed(fields, "bundle", int)
    critical = strictjson.strings(fields, "critical") if "critical" in fields else ()
    unknown = [name for name in critical if name not in _FIELDS | _LATER]
    if number < 1:
        raise ValueError("it does not say of which format it is")
    if number not in FORMATS or unknown:
        what = f"of the format {number}" if number not in FORMATS else f"one that must be read with {unknown[0]!a:.40}"
        raise _too_old(f"which is {what}", release)


def _too_old(which: str, release: str) -> TooOld:
    return TooOld(
        f"this ssh-jit-host is too old for the bundle, {which}", hint=f"upgrade ssh-jit-host to {release} or newer"
    )


def _count(fields: dict[str, Any], name: str) -> int:
    value = strictjson.typed(fields, name, int)
    if not 1 <= value < LIMIT:
        raise ValueError(f"{name} is out of range")
    return value


def _grants(fields: dict[str, Any], name: str) -> tuple[tuple[str, int], ...]:
    """Ids of grants, each once, with a time."""
    grants = strictjson.pairs(fields, name)
    if not all(_GRANT.fullmatch(grant) and 1 <= time < LIMIT for grant, time in grants):
        raise ValueError(f"{name} holds something else than grants and times")
    if len({grant for grant, _ in grants}) != len(grants):
        raise ValueError(f"{name} holds a grant twice")
    return grants


def _key(name: str, line: str) -> sshkey.PublicKey:
    try:
        return sshkey.read_line(line)
    except ValueError as error:
        raise ValueError(f"{name}: the key {error}") from None


@dataclass(frozen=True)
class _Keys:
    """The keys of a list, and what is said of those whose type is not known here."""

    known: tuple[sshkey.PublicKey, ...]
    left_out: tuple[str, ...]
    later: tuple[sshkey.LaterKey, ...]


def _keys(fields: dict[str, Any], name: str, *, empty: bool = False) -> _Keys:
    known, unknown, later = [], [], []
    for line in strictjson.strings(fields, name):
        try:
            known.append(sshkey.read_line(line))
        except sshkey.UnknownType as error:  # noqa: PERF203 - lists are short
            unknown.append(f"keys of the type {error.kind} in {name}")
            later.append(sshkey.LaterKey(error.kind, line))
        except ValueError as error:
            raise ValueError(f"{name}: the key {error}") from None
    if not known and not empty:
        if unknown:
            raise _too_old(f"which has only {', '.join(dict.fromkeys(unknown))}", _release(fields))
        raise ValueError(f"{name} holds no key")
    if len(set(known)) != len(known):
        raise ValueError(f"{name} holds a key twice")
    return _Keys(tuple(known), tuple(dict.fromkeys(unknown)), tuple(dict.fromkeys(later)))


def _changes(fields: dict[str, Any]) -> tuple[Succession, ...]:
    changes = strictjson.typed(fields, "succession", list)
    if len(changes) > MOST_CHANGES:
        raise ValueError(f"its root changed more than {MOST_CHANGES} times")
    parsed = []
    for change in changes:
        if type(change) is not dict:
            raise ValueError("succession holds something that is no object")
        strictjson.only(change, required=frozenset(("old", "new", "signature")), optional=frozenset(change))
        old, new, signature = (strictjson.typed(change, name, str) for name in ("old", "new", "signature"))
        parsed.append(Succession(_key("succession", old), _key("succession", new), signature))
    return tuple(parsed)


def _krl(text: str) -> krl.RevocationList:
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError("the KRL is not base64") from None
    try:
        return krl.read(data)
    except ValueError as error:
        raise ValueError(f"the KRL {error}") from None


def way(bundle: Bundle, pinned: str) -> tuple[Succession, ...]:
    """The changes of the root that lead from the pinned one (``SHA256:…``) to this bundle's; none if it is the same.

    That each was signed is still to be checked. Raises ``BundleRefused`` if there is no way.
    """
    at, steps = pinned, []
    for change in bundle.succession:
        if at not in (bundle.root.fingerprint, change.new.fingerprint) and change.old.fingerprint == at:
            steps.append(change)
            at = change.new.fingerprint
    if at != bundle.root.fingerprint:
        raise BundleRefused(
            f"the bundle's root is {bundle.root.fingerprint}, and this host is pinned to {pinned}",
            hint="compare both with the joining line that `ssh-jit-ca host add` printed",
        )
    return tuple(steps)


def place(bundle: Bundle) -> tuple[int, int]:
    """What the newer bundle is higher in: one sequence is signed once in each format."""
    return bundle.sequence, bundle.format


def check_succession(bundle: Bundle, held: Bundle | None) -> None:
    """Raise ``BundleRefused`` unless ``bundle`` may take the place of ``held`` (or is the same).

    A key that the KRL revokes whole must be known as a CA's key, by this bundle or the one held: revoked by mistake or
    malice, the owner's plain key would shut the owner out.
    """
    apart = bundle.post_quantum.keys if bundle.post_quantum else ()
    known = frozenset(key.blob for key in bundle.user_ca + bundle.host_ca + bundle.retired + apart)
    if held is not None:
        known |= held.ca_keys()
        if bundle.installation != held.installation:
            raise BundleRefused(
                f"the bundle is of the installation {bundle.installation}, and this host is {held.installation}'s",
            )
        if bundle.sequence < held.sequence:
            raise BundleRefused(f"the bundle is older ({bundle.sequence}) than the one held ({held.sequence})")
        if place(bundle) == place(held) and bundle.text != held.text:
            raise BundleRefused(f"there are two different bundles with the sequence {held.sequence}")
    if not known.issuperset(bundle.revoked_keys()):
        raise BundleRefused("the KRL revokes a key that is not a CA's")
