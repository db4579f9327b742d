"""Certificates over the CA's socket, 64 in flight and each durable, against raw signatures by the same key."""

from __future__ import annotations

import time
from collections.abc import Iterator

from bench import load
from bench.authority import served
from bench.results import Result, rate
from bench.timing import paired
from bench.world import World
from sshjit_ca.keys import files
from sshjit_ca.keys.signer import Signer

IN_FLIGHT = 64
WINDOW = 0.7
ROUNDS = 7
KINDS: dict[str, files.Kind] = {"Ed25519": "ed25519", "P-256": "ecdsa-p256", "RSA-3072": "rsa-3072"}


def lines(_: World) -> Iterator[Result]:
    """One line for each kind of key that a file can hold."""
    for title, kind in KINDS.items():
        yield _line(f"certificates, 64 in flight, {title} file", kind)


def _line(what: str, kind: files.Kind) -> Result:
    with served(kind) as ca:

        def ours() -> float:
            return load.closed(ca.certificates(), in_flight=IN_FLIGHT, seconds=WINDOW).rate

        rates = paired(ours, lambda: raw_rate(ca.signer), ROUNDS)
    against = f"{rate(rates[1])} raw signatures"
    return Result("socket", what, rate(rates[0]), against, rates[2] * 100, "%", 30, at_least=True)


def raw_rate(signer: Signer, seconds: float = WINDOW) -> float:
    """Signatures per second that one core makes, over as many bytes as a certificate has."""
    text, count, began = b"c" * 480, 0, time.perf_counter()
    while (now := time.perf_counter()) - began < seconds:
        for _ in range(8):
            signer.sign(text)
        count += 8
    return count / (now - began)
