"""The bundle: the one document that hosts and laptops believe.

Who signs it and who checks the signature is the programs' affair (``docs/protocol.md``, section 3), that of the
checkpoint inside too. This file says what the document holds, writes its one spelling, and decides whether a newer one
may replace one that is held.
"""

from __future__ import annotations

import base64
import dataclasses
import re
from dataclasses import dataclass
from typing import Any

from sshjit import canonical, checkpoint, krl, names, sshkey, versions, wire
from sshjit.errors import Invalid, Refused
from sshjit.post_quantum import PostQuantum

NAMESPACE = "bundle@ssh-jit"
"""The SSHSIG namespace of the bundle's signature."""
SUCCESSION = "root@ssh-jit"
"""The SSHSIG namespace of a bundle key's signature over the line of the one that follows it."""
MAX_SUCCESSION = 100
"""Changes of the bundle's key that readers follow."""
FORMATS = (1, 2)
"""Of the document. Format 1 never grows: it is what readers of version 1 get. Format 2 grows by rule."""
LIFETIME = 24 * 3600
"""Seconds until readers warn that they have heard nothing new."""
MAX_BYTES = 8 * 1024 * 1024
_INSTALLATION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_RELEASE = re.compile(r"[0-9A-Za-z.+-]{1,32}")
_LIMIT = 2**53
"""Every number is below it: what JSON readers of other languages keep exactly."""


@dataclass(frozen=True, slots=True)
class Provider:
    """Where the native client signs in. The endpoints are ``None`` until the CA has reached the provider."""

    id: str
    title: str
    issuer: str
    client_id: str
    authorization_endpoint: str | None
    token_endpoint: str | None
    scopes: tuple[str, ...]
    redirect_ports: tuple[int, ...] = wire.added(2, default=())
    """Ports of the redirect address on the laptop that the provider allows, tried in turn; none: it allows any."""
    client_secret: str | None = wire.added(2, default=None)
    """What the provider wants from every copy of the program; everybody may know it."""
    userinfo: bool = wire.added(2, default=False)
    """Whether the CA needs the access token too, because this provider tells groups and e-mail only at userinfo."""
    problem: str = wire.added(2, default="")
    """What an administrator must mend before anybody can sign in here; empty: nothing that is known."""


@dataclass(frozen=True, slots=True)
class Workloads:
    """An issuer of workloads' tokens, and the audience to ask it for; ``None``: the one that names the key."""

    id: str
    title: str
    issuer: str
    audience: str | None


@dataclass(frozen=True, slots=True)
class Succession:
    """One change of the bundle's key: ``signature`` is the old key's SSHSIG over the exact line of the new one."""

    old: str
    new: str
    signature: str


@dataclass(frozen=True, slots=True)
class PlainHost:
    """A host that shows no host certificates: its id, its name and aliases, and the keys that joining proved."""

    id: str
    names: tuple[str, ...]
    """Its name first."""
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bundle:
    """What hosts and laptops believe. Keys are OpenSSH lines ``type base64``; times seconds since the epoch."""

    bundle: int
    installation: str
    root: str
    succession: tuple[Succession, ...]
    """Every change of the root, oldest first: how a reader that pinned an older one comes to this one."""
    sequence: int
    issued: int
    expires: int
    user_ca: tuple[str, ...]
    host_ca: tuple[str, ...]
    retired: tuple[str, ...]
    """CA keys of the past that the revocation list refuses whole."""
    log_key: str
    providers: tuple[Provider, ...]
    krl: str
    ended: tuple[tuple[str, int], ...]
    extended: tuple[tuple[str, int], ...]
    checkpoint: str
    version: int = wire.added(2, default=1)
    """What the CA speaks (``sshjit/versions.py``)."""
    oldest: int = wire.added(2, default=1)
    """The oldest version that the CA serves."""
    release: str = wire.added(2, default="")
    """The CA's release: what programs that are too old are to be upgraded to."""
    critical: tuple[str, ...] = wire.added(2, default=(), weakens=True)
    """Names of fields that a reader must know to go by this bundle at all. Format 1 cannot say it, so it cannot be
    written of such a bundle."""
    host_keys: tuple[PlainHost, ...] = wire.added(2, default=())
    """Of hosts that show no certificates. No name is there twice."""
    bastions: tuple[tuple[str, str, str, int], ...] = wire.added(2, default=())
    """What bastions let through: the bastion's host id, the principal of a certificate, and the address and port that
    it opens there."""
    workloads: tuple[Workloads, ...] = wire.added(2, default=())
    """Where jobs and machines sign in. The audience is taken from here alone: another one would make a token that is
    worth something elsewhere."""
    post_quantum: PostQuantum | None = wire.added(2, default=None)
    """``None``: no operator has added such a key."""
    lineage: str = wire.added(2, default="")
    """What is told beside ``checkpoint`` (``sshjit/lineage.py``): a host hands both back where something is wrong."""
    left_out: tuple[str, ...] = wire.local(default=())
    """What this reader does not know, and so left out: for people."""


_NAMES = frozenset(field.name for field in dataclasses.fields(Bundle) if field.name != "left_out")


def format_for(reader: int) -> int:
    """The newest format of the document that a reader of this version knows."""
    return max(number for number in FORMATS if number == 1 or number <= reader)


def write(bundle: Bundle) -> str:
    """The exact text that is signed, in the bundle's format."""
    version = 1 if bundle.bundle == 1 else versions.PROTOCOL
    return canonical.dumps(wire.encode_for(bundle, version, "the reader")).decode("ascii")


def read(text: str, *, plain_http: bool = False) -> Bundle:
    """Reads and checks a bundle's text. Its signature must have been verified before.

    What the reader does not know is left out: fields without a word, and named in ``left_out`` keys and sections of
    the revocation list of types that came later. Only fields that ``critical`` names must be known.

    Raises:
        Invalid: with what is wrong; then nothing of it may be used.
        Refused: ``too_old``: this program must be upgraded before it can go by this bundle.

    """
    value = wire.loads(text.encode("ascii", "replace"), limit=MAX_BYTES)
    if not isinstance(value, dict) or canonical.dumps(value).decode("ascii") != text:
        raise Invalid("bad_bundle", "the bundle is not in its one spelling")
    _check_format(value)
    bundle = _without_unknown(wire.decode_answer(Bundle, value))
    if not 0 < bundle.sequence < _LIMIT or not 0 < bundle.issued < bundle.expires < _LIMIT:
        raise Invalid("bad_bundle", "the bundle's sequence or times make no sense")
    if not is_installation(bundle.installation):
        raise Invalid("bad_bundle", "the installation's name is malformed")
    _check_keys(bundle)
    _check_plain_hosts(bundle)
    for provider in bundle.providers:
        _check_provider(provider, plain_http=plain_http)
    for workloads in bundle.workloads:
        _check_workloads(workloads, plain_http=plain_http)
    krl.read(krl_of(bundle))
    if bundle.post_quantum is not None:
        bundle.post_quantum.check()
    _check_bastions(bundle)
    _check_grants(bundle)
    _check_log(bundle)
    return bundle


def _check_format(value: dict[str, Any]) -> None:
    """That the document is of a format, and has no critical field, that this reader does not know."""
    number, critical = value.get("bundle"), value.get("critical", [])
    if type(number) is not int or number < 1 or type(critical) is not list or {*map(type, critical)} - {str}:
        raise Invalid("bad_bundle", "the bundle does not say of which format it is, or what must be read of it")
    unknown = [ascii(name)[:40] for name in critical if name not in _NAMES]
    if number not in FORMATS or unknown:
        what = f"of the format {number}" if number not in FORMATS else f"one that must be read with {unknown[0]}"
        raise too_old(f"this ssh-jit is too old for the bundle, which is {what}", value.get("release"))


def too_old(problem: str, release: object) -> Refused:
    """The error of a reader that must be upgraded; ``release`` is the CA's, as the bundle names it."""
    newer = release if isinstance(release, str) and _RELEASE.fullmatch(release) else "the CA's release"
    return Refused("too_old", problem, hint=f"upgrade ssh-jit to {newer} or newer")


def _without_unknown(bundle: Bundle) -> Bundle:
    """The bundle without keys, and sections of its list, of types that are not known here."""
    parts: dict[str, Any] = {}
    left_out = []
    for name in ("user_ca", "host_ca", "retired"):
        parts[name], unknown = sshkey.known_lines(getattr(bundle, name))
        left_out += [f"keys of the type {kind} in {name}" for kind in unknown]
    plain = []
    for host in bundle.host_keys:
        known, unknown = sshkey.known_lines(host.keys)
        plain.append(dataclasses.replace(host, keys=known))
        left_out += [f"host keys of the type {kind}" for kind in unknown]
    if bundle.post_quantum is not None:
        parts["post_quantum"], not_read = bundle.post_quantum.known()
        left_out += not_read
    raw, sections = krl.known(krl_of(bundle))
    left_out += [f"{section} in the revocation list" for section in sections]
    parts |= {"host_keys": tuple(plain), "krl": base64.b64encode(raw).decode("ascii") if sections else bundle.krl}
    return dataclasses.replace(bundle, **parts, left_out=tuple(dict.fromkeys(left_out)))


def krl_of(bundle: Bundle) -> bytes:
    """The revocation list, as OpenSSH reads it. Raises ``Invalid``: ``bad_krl``."""
    return krl.decode(bundle.krl)


def is_installation(name: str) -> bool:
    """Whether an installation may be called so."""
    return _INSTALLATION.fullmatch(name) is not None


def way(bundle: Bundle, pin: str) -> tuple[Succession, ...]:
    """The changes of the root that lead from the pinned one (``SHA256:…``) to this bundle's, each still to be verified.

    Raises:
        Refused: ``other_root``, if there is no way.

    """
    root = sshkey.parse_line(bundle.root).fingerprint
    at, steps = pin, []
    for change in bundle.succession:
        if at != root and sshkey.parse_line(change.old).fingerprint == at:
            steps.append(change)
            at = sshkey.parse_line(change.new).fingerprint
    if at != root:
        raise Refused("other_root", f"the bundle is signed by {root}, and {pin} is pinned")
    return tuple(steps)


def replaces(new: Bundle, held: Bundle | None) -> bool:
    """Whether ``new`` is newer than what is held, or the same in a later format; ``False`` if it is not.

    A key that its list refuses whole must be a CA's by its own word or by that of the one held: by mistake or malice, a
    list could shut people out of machines, or out of their own, whose plain keys it names.

    Raises:
        Invalid: ``other_installation``, ``old_bundle``, ``bad_krl``.

    """
    if held is not None and new.installation != held.installation:
        raise Invalid("other_installation", f"the bundle is for {new.installation!r}, not for {held.installation!r}")
    if held is not None and (new.sequence < held.sequence or (_place(new) == _place(held) and new != held)):
        raise Invalid("old_bundle", f"the bundle is number {new.sequence}, and number {held.sequence} is held")
    known = _ca_blobs(new) | (_ca_blobs(held) | _refused(held) if held else frozenset())
    if not _refused(new) <= known:
        raise Invalid("bad_krl", "the bundle's revocation list refuses a key that is not a CA's")
    return held is None or _place(new) > _place(held)


def _place(bundle: Bundle) -> tuple[int, int]:
    """One sequence is signed once in each format; a reader that was upgraded takes the later one."""
    return bundle.sequence, bundle.bundle


def _check_keys(bundle: Bundle) -> None:
    if len(bundle.succession) > MAX_SUCCESSION:
        raise Invalid("bad_bundle", f"the bundle's root changed more than {MAX_SUCCESSION} times")
    roots = [line for change in bundle.succession for line in (change.old, change.new)]
    for line in (bundle.root, *roots, *bundle.user_ca, *bundle.host_ca, *bundle.retired):
        key = sshkey.parse_line(line)
        if key.line != line or key.hardware:
            raise Invalid("bad_bundle", "the bundle holds a CA key that is not plain")
    if not bundle.user_ca or not bundle.host_ca:
        if bundle.left_out:
            left_out = ", ".join(bundle.left_out)
            raise too_old(f"this ssh-jit is too old for the bundle, which has only {left_out}", bundle.release)
        raise Invalid("bad_bundle", "the bundle names no CA keys")
    if any(len(set(keys)) != len(keys) for keys in (bundle.user_ca, bundle.host_ca, bundle.retired)):
        raise Invalid("bad_bundle", "the bundle names a CA key twice")


def _check_plain_hosts(bundle: Bundle) -> None:
    """What is written into a file of ssh's: names that are names, and of one host each, and keys that are plain."""
    owned = set[str]()
    for host in bundle.host_keys:
        if not host.names or names.host_id(host.id).partition("~")[0] != host.names[0]:
            raise Invalid("bad_bundle", f"the host {names.show(host.id)} has another name in the bundle")
        for name in host.names:
            if names.host_alias(name) in owned:
                raise Invalid("bad_bundle", f"the bundle names the host {name} twice")
            owned.add(name)
        if any(sshkey.parse_line(line).line != line for line in host.keys):
            raise Invalid("bad_bundle", "the bundle holds a host key that is not plain")


def _check_bastions(bundle: Bundle) -> None:
    for bastion, principal, address, port in bundle.bastions:
        target = principal.removeprefix("via/").partition("@")[0]
        if names.passage(target, names.host_id(bastion)) != principal:
            raise Invalid("bad_bundle", f"the bundle opens the bastion {bastion} to another one's principal")
        names.address(address)
        names.port(port)


def _ca_blobs(bundle: Bundle) -> frozenset[bytes]:
    """The keys of CAs that it names."""
    named = frozenset(sshkey.parse_line(line).blob for line in (*bundle.user_ca, *bundle.host_ca, *bundle.retired))
    return named if bundle.post_quantum is None else named | bundle.post_quantum.ca_blobs()


def _refused(bundle: Bundle) -> frozenset[bytes]:
    """The keys that its lists refuse whole."""
    refused = krl.read(krl_of(bundle))
    return refused if bundle.post_quantum is None else refused | bundle.post_quantum.refused()


def _check_grants(bundle: Bundle) -> None:
    """Grants are ids of ours, each once in a list, with a time."""
    for pairs in (bundle.ended, bundle.extended):
        for grant, time in pairs:
            names.identifier(grant)
            if not 0 < time < _LIMIT:
                raise Invalid("bad_bundle", f"the time of the grant {grant} makes no sense")
        if len({grant for grant, _ in pairs}) != len(pairs):
            raise Invalid("bad_bundle", "the bundle names a grant twice")


def _check_log(bundle: Bundle) -> None:
    """The checkpoint is one, by its form, and carries a signature by the log's key, for whoever verifies the log."""
    origin, public = checkpoint.parse_verifier_key(bundle.log_key)
    found, _ = checkpoint.parse_note(bundle.checkpoint, public)
    if found.origin != origin:
        raise Invalid("bad_checkpoint", "the checkpoint is not one of the log whose key the bundle names")


def _check_workloads(workloads: Workloads, *, plain_http: bool) -> None:
    names.provider_id(workloads.id)
    if not workloads.title.isprintable() or not names.printable_ascii(workloads.audience or "-"):
        raise Invalid("bad_bundle", f"the issuer {workloads.id!r} holds characters that cannot be printed")
    names.url(workloads.issuer, plain_http=plain_http)


def _check_provider(provider: Provider, *, plain_http: bool) -> None:
    names.provider_id(provider.id)
    if not provider.title.isprintable() or not provider.client_id.isprintable():
        raise Invalid("bad_bundle", f"the provider {provider.id!r} holds characters that cannot be printed")
    for port in provider.redirect_ports:
        names.port(port)
    names.url(provider.issuer, plain_http=plain_http)
    for endpoint in (provider.authorization_endpoint, provider.token_endpoint):
        if endpoint is not None:
            names.url(endpoint, plain_http=plain_http)
