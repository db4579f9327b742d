"""The log held against what people received: nothing lost, nothing twice, and nobody was told of a bug."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from dataclasses import dataclass

from sshjit import entries, events
from sshjit_ca.storage.store import Store
from tests.faults.people import Ledger

BUGS = ("Traceback (most recent call last)", "because of a bug", "defect")


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the log says."""

    serials: Counter[int]
    digests: dict[int, str]
    asks: Counter[str]
    """Reasons of requests."""
    requests: dict[str, str]
    """Reason -> the request's id."""


def recorded(database: str) -> Recorded:
    """Reads the whole log of the CA with this database."""
    found = Recorded(Counter(), {}, Counter(), {})
    with closing(Store(database, read_only=True)) as store:
        for row in store.rows():
            event = entries.read(row.entry)
            if isinstance(event, events.Issued):
                found.serials[event.serial] += 1
                found.digests[event.serial] = event.certificate
            elif isinstance(event, events.Asked):
                found.asks[event.reason] += 1
                found.requests[event.reason] = event.request
    return found


@dataclass
class Pardon:
    """What an operator gave up with ``restore --accept-loss``."""

    certificates: int = 0
    asks: int = 0


def forgive(database: str, ledger: Ledger, pardon: Pardon) -> None:
    """Takes out of the ledger what an older copy does not know. Serials stay: none may come again."""
    known = recorded(database)
    kept = [(serial, digest) for serial, digest in ledger.certificates if serial in known.digests]
    pardon.certificates += len(ledger.certificates) - len(kept)
    ledger.given_up += [serial for serial, _ in ledger.certificates if serial not in known.digests]
    ledger.certificates[:] = kept
    gone = [reason for reason in ledger.asked if reason not in known.asks]
    pardon.asks += len(gone)
    for reason in gone:
        del ledger.asked[reason]


def problems(database: str, ledger: Ledger, logs: str) -> list[str]:
    """What is wrong in the end; ``logs`` is what the programs printed. Nobody may be working any more."""
    known = recorded(database)
    received = Counter(serial for serial, _ in ledger.certificates)
    lost = [serial for serial, digest in ledger.certificates if known.digests.get(serial) != digest]
    found = [f"a certificate was lost: {serial}" for serial in lost]
    found += [f"the serial {serial} is in the log {n} times" for serial, n in known.serials.items() if n > 1]
    found += [f"the serial {serial} was received {count} times" for serial, count in received.items() if count > 1]
    found += [f"the serial {serial} came again" for serial in ledger.given_up if received[serial]]
    found += [f"the request {reason!r} is in the log {n} times" for reason, n in known.asks.items() if n > 1]
    gone = [reason for reason, request in ledger.asked.items() if known.requests.get(reason) != request]
    found += [f"the request {reason!r} was lost" for reason in gone]
    found += [f"somebody was told: {said[:300]}" for said in ledger.bad]
    found += [f"a log says {words!r} ({logs.count(words)} times)" for words in BUGS if words in logs]
    return found
