"""Probes of hosts, in the operator's process: whether those that should enforce what the CA decides really do so.

The daemon never connects anywhere for this. It signs, on the operator's word in ``ca.toml``, certificates of a minute
that can only run ``true``, for a key that is made here and forgotten; the certificate of another CA is made here
altogether. Hosts are taken a hundred at a time, ten seconds each at most.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sshjit import ca_protocol as m
from sshjit import names, profile, sshcert
from sshjit.errors import Failed
from sshjit.profile import Issue
from sshjit_ca.access import issuance
from sshjit_ca.keys.files import FileKey
from sshjit_ca.operations import admin_client
from sshjit_ca.operations.probe_judgement import Offer, Sighting, Verdict, judge

if TYPE_CHECKING:
    from sshjit_ca.operations.probe_connection import Prober

AT_ONCE = 100
"""Hosts that are probed at a time."""
TOGETHER = 50
"""Hosts of one question to the CA."""
AT_ONE_BASTION = 8
"""Hosts of one question that are probed through the same bastion at a time: sshd drops some beyond ``MaxStartups``."""
SECONDS = 10.0
"""That one host may take."""
_HINT = "pip install 'ssh-jit[fleet]'"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run found; ``locked``: names of hosts that were left alone because they are locked."""

    hosts: tuple[Verdict, ...]
    locked: tuple[str, ...]


@dataclass(slots=True)
class HostProbe:
    """One run of probes, by its own key and its own CA, that no host is to believe."""

    socket: Path
    """The CA's admin socket."""
    say: Callable[[str], None] = lambda _: None
    """Tells people why it takes longer."""
    seconds: float = SECONDS
    other_ca: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    _key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    def run(self, hosts: Sequence[str]) -> Outcome:
        """Probes these hosts, by name, and has the CA write down how they were found.

        Raises:
            Failed: ``no_asyncssh``, and what the CA answers.

        """
        return asyncio.run(self._all(hosts, self._prober()))

    def _prober(self) -> Prober:
        try:
            from sshjit_ca.operations.probe_connection import Prober  # noqa: PLC0415 - only for who probes
        except ImportError:
            raise Failed("no_asyncssh", "probing hosts needs the Python package asyncssh", hint=_HINT) from None
        return Prober(_private(self._key), self.seconds)

    async def _all(self, hosts: Sequence[str], prober: Prober) -> Outcome:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(AT_ONCE))  # names may be slow to resolve
        waiting = [tuple(hosts[start : start + TOGETHER]) for start in range(0, len(hosts), TOGETHER)]
        parts: list[Outcome] = []

        async def work() -> None:
            while waiting:
                parts.append(await self._part(waiting.pop(0), prober))

        await asyncio.gather(*(work() for _ in range(AT_ONCE // TOGETHER)))
        verdicts = sorted((each for part in parts for each in part.hosts), key=lambda verdict: verdict.name)
        return Outcome(tuple(verdicts), tuple(sorted(name for part in parts for name in part.locked)))

    async def _part(self, hosts: tuple[str, ...], prober: Prober) -> Outcome:
        """As many hosts as one question names; those that were probed a moment ago, after a pause."""
        reply = await self._sign(hosts)
        verdicts = await self._probe(reply, prober)
        locked = reply.locked
        if reply.paused:
            seconds = max(left for _, left in reply.paused)
            self.say(f"{len(reply.paused)} of these hosts were probed a moment ago: going on with them in {seconds} s")
            await asyncio.sleep(seconds)
            reply = await self._sign(tuple(name for name, _ in reply.paused))
            verdicts += await self._probe(reply, prober)
            locked += reply.locked
        return Outcome(verdicts, locked)

    async def _sign(self, hosts: tuple[str, ...]) -> m.ProbesReply:
        message = m.SignProbes(hosts, FileKey(self._key).public.line)
        return await asyncio.to_thread(admin_client.call, self.socket, message, m.ProbesReply)

    async def _probe(self, reply: m.ProbesReply, prober: Prober) -> tuple[Verdict, ...]:
        if not reply.probes:
            return ()
        gates = {
            probe.way.host.id: asyncio.Semaphore(AT_ONE_BASTION) for probe in reply.probes if probe.way is not None
        }

        async def look(probe: m.ProbeView) -> Sighting:
            async with gates[probe.way.host.id] if probe.way is not None else nullcontext():
                return await prober.look(probe, self._offers(probe, reply.elsewhere))

        looks = (look(probe) for probe in reply.probes)
        seen: list[Sighting] = await asyncio.gather(*looks)
        now = int(time.time())
        verdicts = tuple(judge(probe, reply.host_ca, each, now) for probe, each in zip(reply.probes, seen, strict=True))
        results = tuple(m.ProbeResult(each.name, each.id, each.verdict, each.problems) for each in verdicts)
        await asyncio.to_thread(admin_client.call, self.socket, m.ReportProbes(results), m.Done)
        return verdicts

    def _offers(self, probe: m.ProbeView, elsewhere: str) -> list[Offer]:
        """What is shown to a host: what it must refuse first, and last what it must take."""
        if not probe.login:
            return []
        return [
            Offer("expired", probe.expired),
            Offer("elsewhere", elsewhere),
            Offer("other_ca", self._by_other_ca(probe)),
            Offer("enters", probe.certificate),
        ]

    def _by_other_ca(self, probe: m.ProbeView) -> str:
        """A certificate that says all that ours does, by a CA that nobody believes."""
        signer = FileKey(self.other_ca)
        principal = names.principal(probe.login, probe.host.id)
        serial, nonce = 1 + secrets.randbits(62), secrets.token_bytes(profile.NONCE_BYTES)
        issue = Issue(int(time.time()), serial, nonce, signer.public, profile.PROBE_LIFETIME)
        certificate = profile.probe_certificate("probe-00000000", principal, FileKey(self._key).public, issue)
        return sshcert.line(issuance.sign_and_read_back(certificate, signer))


def _private(key: Ed25519PrivateKey) -> bytes:
    """The key as text, in memory."""
    hidden = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, hidden)
