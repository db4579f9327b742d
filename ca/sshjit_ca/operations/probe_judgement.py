"""What is wrong with a host, from what a probe of it saw. Pure: no network, clock or CA.

The host certificate is judged as OpenSSH judges it, and more strictly where we know more: it must be for one of the
keys that the host joined with, say its id, and name all that people dial.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from sshjit import sshcert, sshkey
from sshjit.ca_protocol.probes import ProbeView
from sshjit.errors import Invalid
from sshjit.profile import MAX_KEY_ID
from sshjit.sshcert import HOST
from sshjit_ca.access.probe_findings import BAD, post_quantum

Offered = Literal["expired", "elsewhere", "other_ca", "enters"]
"""Which certificate was shown to a host; the last one is to be taken, and the others are not."""
WRONG: tuple[Offered, ...] = ("expired", "elsewhere", "other_ca")
CERTIFICATES = frozenset({"publickey"})
"""The ways of signing in where only certificates count."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A certificate to show to a host, as one line, and which one it is."""

    what: Offered
    certificate: str


@dataclass(slots=True)
class Sighting:
    """What was seen of one host. Empty where nothing was."""

    banner: str = ""
    """How it names itself: ``SSH-2.0-OpenSSH_9.2p1``."""
    key_exchanges: tuple[str, ...] = ()
    key_types: tuple[str, ...] = ()
    """Of host keys and their certificates, as it offers them."""
    methods: tuple[str, ...] = ()
    """The ways of signing in that it offers for the account."""
    host_key: str = ""
    """What it showed, as one line: a key, or a certificate whose signature was verified."""
    taken: set[Offered] = field(default_factory=set)
    refused: set[Offered] = field(default_factory=set)
    open_to_all: bool = False
    broken: list[str] = field(default_factory=list)
    """Codes of what the certificate permitted beyond its word."""
    unreachable: str = ""
    """The code of why nothing can be said; empty: it answered."""
    detail: str = ""
    """What the system or the host said about that."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a host was found, whole: for people, for JSON, and (its codes) for the log."""

    name: str
    id: str
    address: str
    via: str
    """The name of the bastion that it was probed through; empty: directly."""
    login: str
    verdict: Literal["ok", "bad", "unreachable"]
    problems: tuple[str, ...]
    detail: str
    banner: str
    host_key: str
    key_exchanges: tuple[str, ...]
    post_quantum: tuple[str, ...]
    key_types: tuple[str, ...]
    methods: tuple[str, ...]


def judge(probe: ProbeView, host_ca: tuple[str, ...], seen: Sighting, now: int) -> Verdict:
    """The verdict on a host. ``host_ca``: lines of the keys whose host certificates count; ``now`` in seconds."""
    problems: tuple[str, ...] = (seen.unreachable,)
    if not seen.unreachable:
        problems = tuple(
            code for code in BAD if code in {*_host_key(probe, host_ca, seen, now), *_entries(probe, seen)}
        )
    return Verdict(
        name=probe.host.name,
        id=probe.host.id,
        address=f"{probe.host.address} port {probe.host.port}",
        via="" if probe.way is None else probe.way.host.name,
        login=probe.login,
        verdict="unreachable" if seen.unreachable else "bad" if problems else "ok",
        problems=problems,
        detail=seen.detail,
        banner=seen.banner,
        host_key=seen.host_key,
        key_exchanges=seen.key_exchanges,
        post_quantum=post_quantum(seen.key_exchanges),
        key_types=seen.key_types,
        methods=seen.methods,
    )


def _blobs(lines: tuple[str, ...]) -> set[bytes]:
    return {sshkey.parse_line(line, post_quantum=True).blob for line in lines}


def _host_key(probe: ProbeView, host_ca: tuple[str, ...], seen: Sighting, now: int) -> Iterator[str]:
    """What is wrong with the key that the host showed."""
    known = _blobs(probe.host_keys)
    plain = not sshcert.is_certificate_type(seen.host_key.partition(" ")[0])
    if plain and probe.host_certificates:
        yield "host_certificate_missing"
    if plain:
        if _blob(seen.host_key) not in known:
            yield "host_key_unknown"
        return
    try:
        certificate = sshcert.parse_line(seen.host_key)[0]
    except Invalid:  # none that this CA could have made
        yield "host_certificate_foreign"
        return
    if certificate.key.blob not in known:
        yield "host_key_unknown"
    if certificate.kind != HOST or certificate.ca_blob not in _blobs(host_ca):
        yield "host_certificate_foreign"
    if {probe.host.name, *probe.host.aliases} - {*certificate.principals}:
        yield "host_certificate_name"
    if certificate.key_id != f"host {probe.host.id}"[:MAX_KEY_ID]:
        yield "host_certificate_name"
    if not certificate.valid_after <= now < certificate.valid_before or certificate.critical:
        yield "host_certificate_over"


def _blob(line: str) -> bytes:
    """The key of a line; empty for one of a kind that nothing here knows."""
    try:
        return sshkey.parse_line(line).blob
    except Invalid:
        return b""


def _entries(probe: ProbeView, seen: Sighting) -> Iterator[str]:
    """What is wrong with whom it lets in."""
    if not probe.login:
        yield "no_account"
        return
    if seen.open_to_all:
        yield "open_to_all"
        return
    yield from (f"{wrong}_accepted" for wrong in WRONG if wrong in seen.taken)
    if "enters" in seen.refused:
        yield "not_let_in"
    if {*WRONG, "enters"} - seen.taken - seen.refused:
        yield "not_all_tried"
    if probe.only_certificates and set(seen.methods) - CERTIFICATES:
        yield "other_ways"
    yield from seen.broken
