"""What a fault is played on, and what must be true while it is there and after it: measured, counted, never assumed."""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sshjit import ca_protocol as m
from tests.faults.machine import Machine
from tests.faults.people import PROMPT, Crowd
from tests.faults.verdict import Pardon

TOLD = 9.0
"""Seconds in which everybody must know what is wrong: a beat, and one answer that was waited for in vain."""
ANSWERED = 3.0
"""Seconds for ``status`` once that is known, on a busy machine."""
PATIENCE = 60.0


@dataclass
class Stage:
    """One installation and what was seen on it."""

    machine: Machine
    crowd: Crowd
    random: random.Random
    counts: Counter[str] = field(default_factory=Counter)
    longest: dict[str, float] = field(default_factory=dict)
    """By kind of fault: seconds until a certificate came that was asked for after it."""
    wrong: list[str] = field(default_factory=list)
    """Violations."""
    looks: int = 0
    """How often somebody was asked how things are, during a fault."""
    pardon: Pardon = field(default_factory=Pardon)

    def tell(self, fault: str, pattern: str, *, doctor: str = "") -> None:
        """While a fault is on: front end and operator must name it, and go on answering.

        ``pattern`` is what ``status`` or the error in its place says; ``doctor`` what that says.
        """
        self._until(f"{fault}: /readyz says that all is well", lambda: self.machine.readyz()[0] in {0, 503})
        if not pattern:
            return
        self._until(f"{fault}: status does not say {pattern!r}", lambda: re.search(pattern, self._status()))
        for _ in range(3):
            began = time.monotonic()
            said = self._status()
            self.looks += 1
            if (took := time.monotonic() - began) > ANSWERED:
                self.wrong.append(f"{fault}: status took {took:.1f} s")
            if not re.search(pattern, said):
                self.wrong.append(f"{fault}: status says {said!r}")
        if doctor:
            self.looks += 1
            found = "; ".join(f"{each['area']}: {each['message']}" for each in self.machine.doctor())
            if not re.search(doctor, found):
                self.wrong.append(f"{fault}: doctor says {found!r}")

    def _status(self) -> str:
        said = self.machine.status()
        if isinstance(said, m.StatusReply):
            return "" if said.ready else "; ".join(said.problems)
        return said.message

    def _until(self, otherwise: str, true: Callable[[], object]) -> None:
        self.looks += 1
        until = time.monotonic() + TOLD
        while not true():
            if time.monotonic() > until:
                self.wrong.append(otherwise)
                return
            time.sleep(0.1)

    @contextmanager
    def fault(self, kind: str, name: str) -> Iterator[None]:
        """A fault: it is over when the block is left. Then the service must be back, and the log whole."""
        self.counts[kind] += 1
        yield
        over = time.monotonic()
        back = self._back(over)
        self.longest[kind] = max(self.longest.get(kind, 0.0), back)
        if back > PROMPT:
            self.wrong.append(f"{name}: the service was back after {back:.1f} s")
        self._until(f"{name}: /readyz says that something is wrong, afterwards", self.machine.ready)
        verified = self.machine.operator("log", "verify")
        if verified.returncode:
            self.wrong.append(f"{name}: log verify says {(verified.stdout + verified.stderr)[:300]!r}")
        print(f"    {name:<46} back after {back:4.1f} s", flush=True)

    def _back(self, over: float) -> float:
        """Seconds until a certificate came that was asked for after the fault was over."""
        ledger = self.crowd.ledger
        while ledger.good < over:
            self.machine.supervise()
            if time.monotonic() - over > PATIENCE:
                break
            time.sleep(0.05)
        return (ledger.came if ledger.good >= over else time.monotonic()) - over

    def linger(self, seconds: float) -> None:
        """Lets people work."""
        time.sleep(seconds)
