"""Every reader of foreign bytes, as a function that raises only where there is a defect; and what it starts from.

``tests/unit/fuzz`` gives each some broken seeds in every run and replays the corpus; ``make fuzz`` goes on for longer.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from tests.fuzz import openssh_targets as openssh
from tests.fuzz import text_targets as texts

CORPUS = Path(__file__).resolve().parents[1] / "corpus"
PATIENCE = 2.0
"""Seconds that any input may take: a reader that runs away is a defect too."""


@dataclass(frozen=True, slots=True)
class Target:
    """``check`` raises where the reader is wrong; ``seeds`` are inputs in order."""

    check: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]


TARGETS = {
    "key": Target(
        openssh.public_key,
        lambda: openssh.lines("*.pub") + openssh.blobs("*.pub") + openssh.blobs("post-quantum/*.pub"),
    ),
    "certificate": Target(
        openssh.certificate, lambda: openssh.blobs("*-cert.pub") + openssh.blobs("post-quantum/*-cert.pub")
    ),
    "private-key": Target(openssh.private_key, openssh.private_keys),
    "post-quantum-krl": Target(openssh.post_quantum_list, openssh.post_quantum_lists),
    "krl": Target(openssh.revocation_list, openssh.revocation_lists),
    "sshsig": Target(openssh.signature, openssh.signatures),
    "policy": Target(texts.policy, texts.policies),
    "providers": Target(texts.provider_table, texts.provider_tables),
    "bundle": Target(texts.bundles, texts.bundle_texts),
    "note": Target(texts.note, texts.notes),
    "proof": Target(texts.proof, texts.proofs),
    "tile": Target(texts.tile, lambda: [b"tile/0/x001/234.p/7", b"tile/entries/000", b"\0\2ab\0\1c"]),
    "entry": Target(
        texts.entry, lambda: [b'{"body":{},"detail":"00","index":0,"kind":"asked","time":1800000000,"v":1}']
    ),
    "message": Target(texts.message, texts.messages),
    "token": Target(texts.token, texts.id_tokens),
}


def corpus(name: str) -> list[Path]:
    """The inputs that are kept for a target: seeds, and whatever once broke it."""
    return sorted((CORPUS / name).glob("*"))


@contextmanager
def within(seconds: float = PATIENCE) -> Iterator[None]:
    """Raises ``TimeoutError`` where the block takes longer. Only in the main thread."""

    def late(_: int, __: FrameType | None) -> None:
        raise TimeoutError(f"a reader took longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
