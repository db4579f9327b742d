"""All witnesses of this log: asked about each new head, each by itself, and what they signed together."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sshjit import cosignature
from sshjit.errors import Failed
from sshjit_ca.config import WitnessAddress
from sshjit_ca.log import held_elsewhere
from sshjit_ca.place_config import Place
from sshjit_ca.storage.store import Store
from sshjit_ca.witness import standing, submission, transport
from sshjit_ca.witness.places import Places
from sshjit_ca.witness.standing import Standing
from sshjit_ca.witness.submission import Head, OtherLog

SLOWEST = 300.0
"""Seconds after which a witness that did not sign is asked again, at the latest."""
FIRST_PAUSE = 5.0
"""The same after its first failure; it doubles with each."""
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Follower:
    """One witness: what it signed last, and what was wrong when it was asked last."""

    address: WitnessAddress
    standing: Standing | None
    problem: Failed | None = None
    _failures: int = 0
    _next: float = 0.0

    @property
    def size(self) -> int:
        """Entries of the log that it has signed."""
        return 0 if self.standing is None else self.standing.size

    def due(self, head: Head, now: float) -> bool:
        """Whether it is to be asked: not again about what it signed, nor at once after a failure."""
        return now >= self._next and (self.problem is not None or self.size != head.point.size)

    def ask(self, head: Head, store: Store, home: Path, now: float) -> None:
        """Asks it once, and keeps what comes of it. Never raises."""
        post = partial(transport.post, f"{self.address.url}add-checkpoint")
        try:
            word = submission.submit(self.address.witness, head, self.size, store, post)
            new = Standing(head.note, head.point.size, word)
            standing.keep(home, self.address.witness, new)
        except Failed as error:
            self._failed(error, now)
        except OSError as error:
            self._failed(Failed("witness_not_kept", f"what a witness signed cannot be kept: {error}"), now)
        except Exception:  # noqa: BLE001 - whatever it is, the CA goes on, and asks again
            _log.exception("a witness was not asked")
            self._failed(Failed("defect", f"the witness {self.address.witness.name} was not asked: a bug"), now)
        else:
            self.standing, self.problem, self._failures = new, None, 0

    def _failed(self, error: Failed, now: float) -> None:
        if self.problem is None or self.problem.message != error.message:
            _log.warning("%s", error.message)
        self.problem = error
        self._next = now + min(SLOWEST, FIRST_PAUSE * 2**self._failures)
        self._failures = min(self._failures + 1, 10)


@dataclass(slots=True)
class Witnesses:
    """The witnesses that ``ca.toml`` names, and the places that get checkpoints and say nothing."""

    home: Path
    followers: tuple[Follower, ...]
    places: Places

    @classmethod
    def of(cls, home: Path, addresses: Iterable[WitnessAddress], places: Iterable[Place] = ()) -> Witnesses:
        """Where each stood when this was kept last."""
        followers = tuple(Follower(address, standing.load(home, address.witness)) for address in addresses)
        return cls(home, followers, Places.of(places))

    def require_none_ahead(self, head: Head | None, store: Store, monotonic: Callable[[], float]) -> None:
        """Asks all of them before anything is written: whoever signed more of this log, or another one, knows better.

        What an operator gave up counts no more: a witness that stands where it stood when that loss was accepted.

        Raises:
            Failed: ``log_rolled_back``; ``database_broken``, ``database_silent``.

        """
        if head is None:
            return
        losses = held_elsewhere.accepted_losses(store)
        self.ask_all(head, store, monotonic)
        for name, other in self.elsewhere():
            if not held_elsewhere.gave_up_witnessed(losses, name, other.size):
                raise Failed("log_rolled_back", other.message, hint=other.hint)

    def elsewhere(self) -> Iterator[tuple[str, OtherLog]]:
        """The witnesses that signed another log or a longer one, as the newest question found: key's hash, and what."""
        for follower in self.followers:
            if isinstance(follower.problem, OtherLog):
                yield follower.address.witness.key_hash.hex(), follower.problem

    def ask(self, head: Head, store: Store, monotonic: Callable[[], float]) -> None:
        """Asks each that is due, all at the same time; returns when all have answered, or were waited for."""
        self._ask([each for each in self.followers if each.due(head, monotonic())], head, store, monotonic)

    def ask_all(self, head: Head, store: Store, monotonic: Callable[[], float]) -> None:
        """The same of all, also where our home says that they signed this head: it may be an older copy too."""
        self._ask(self.followers, head, store, monotonic)

    def _ask(self, asked: Sequence[Follower], head: Head, store: Store, monotonic: Callable[[], float]) -> None:
        if not asked:
            return
        with ThreadPoolExecutor(len(asked), thread_name_prefix="witness") as pool:
            list(pool.map(lambda follower: follower.ask(head, store, self.home, monotonic()), asked))

    @property
    def newest(self) -> str:
        """The newest checkpoint that one of them signed, with the lines of all that signed it; empty if none did."""
        signed = [follower.standing for follower in self.followers if follower.standing is not None]
        if not signed:
            return ""
        note = max(signed, key=lambda standing: standing.size).note
        return cosignature.cosigned(note, (standing.cosignature for standing in signed if standing.note == note))
