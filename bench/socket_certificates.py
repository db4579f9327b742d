"""Certificates over the CA's socket, 64 in flight and each durable, against raw signatures by the same key.

One CA, whose user CA key changes from line to line: files, an ssh-agent, and a SoftHSM token where there is one.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bench import load
from bench.ca_process import CA, RunningCa, served
from bench.environment import Environment
from bench.load import Served
from bench.measurement import paired
from bench.processes import folder, run
from bench.results import Result, rate
from sshjit_ca.keys.key_store import KeyStore
from sshjit_ca.keys.locations import KeyLocations
from sshjit_ca.keys.signer import Signer
from tests.support import devices

IN_FLIGHT = 64
WINDOW = 0.6
ROUNDS = 5
KINDS = {"Ed25519": "ed25519", "P-256": "ecdsa-p256", "RSA-3072": "rsa-3072"}


def lines(_: Environment) -> Iterator[Result]:
    """One line for each kind of key in each place."""
    with _references() as references, served() as ca:
        for title, reference in references:
            _activate(ca, reference)
            signer = KeyStore(KeyLocations()).open(reference)
            yield _line(f"certificates, 64 in flight, {title}", ca, signer)


def loads(environment: Environment) -> Iterator[Served]:
    """The same with the key that a new CA has, an Ed25519 file, as loads: few in flight, and many."""
    ca = environment.entered(served())
    for in_flight in (1, 4, 16, 64):
        yield Served(f"certificates, {in_flight} in flight, Ed25519 file", ca.certificates(), in_flight, {"CA": ca.pid})


def _line(what: str, ca: RunningCa, signer: Signer) -> Result:
    window = max(WINDOW, 4 * IN_FLIGHT / raw_rate(signer))  # a slow key must still have several batches to sign

    def ours() -> float:
        return load.closed(ca.certificates(), in_flight=IN_FLIGHT, seconds=window).rate

    rates = paired(ours, lambda: raw_rate(signer), ROUNDS)
    against = f"{rate(rates[1])} raw signatures"
    return Result("socket", what, rate(rates[0]), against, rates[2] * 100, "%", 30, at_least=True)


def raw_rate(signer: Signer, seconds: float = WINDOW) -> float:
    """Signatures per second, one after the other, over as many bytes as a certificate has."""
    text, count, began = b"c" * 480, 0, time.perf_counter()
    while (now := time.perf_counter()) - began < seconds:
        for _ in range(8):
            signer.sign(text)
        count += 8
    return count / (now - began)


def _activate(ca: RunningCa, reference: str) -> None:
    """Gives a key its turn at once: nobody here waits for a bundle."""
    said = json.loads(run([*CA, "keys", "add", "user_ca", reference, "--json"], ca.env))
    run([*CA, "keys", "activate", "user_ca", said["key"]["fingerprint"], "--now"], ca.env)


@contextmanager
def _references() -> Iterator[list[tuple[str, str]]]:
    """Keys of every kind in every place, by title."""
    with folder() as home, devices.agent(home / "agent") as agent:
        references = []
        for title, kind in KINDS.items():
            references.append((f"{title} file", f"file:{devices.ssh_key(home / kind, kind)}"))
        for title, kind in KINDS.items():
            path = devices.ssh_key(home / f"{kind}-agent", kind)
            agent.run(path)
            fingerprint = KeyStore(KeyLocations()).open(f"file:{path}").public.fingerprint
            references.append((f"{title} ssh-agent", f"agent:{fingerprint}?socket={agent.socket}"))
        if devices.MODULE.exists():
            token = devices.Token.make(home / "token")
            os.environ.update(token.environment)
            for title, kind in KINDS.items():
                token.add(kind, kind)
                references.append((f"{title} PKCS#11", token.reference(kind)))
        yield references
