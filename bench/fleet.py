"""A fleet of hosts at one front end: how soon all know of a revocation, and what their waiting costs the front end.

The hosts are connections: each asks for the bundle as ``ssh-jit-host watch`` does, and checks its signature and what it
revokes, in this process. What ``ssh-keygen`` costs a real host is a line of its own.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import resource
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from bench.environment import Environment
from bench.measurement import percentile
from bench.processes import folder
from bench.results import Result, milliseconds
from demo import processes
from sshjit import bundle, sshkey
from sshjit import ca_protocol as m
from sshjit.sshwire import u64
from sshjit_ca.keys import sshsig
from sshjit_ca.operations import admin_client

HOSTS = 1000
IDLE = 2000
OF_ONE = 1000
"""Hosts behind one address: the front end lets 1,024 of them wait."""
WAIT = 50
SHORT_WAIT = 4
WINDOW = 16.0
"""Seconds in which hosts poll with a short wait, to see what a poll costs."""
POLLS_PER_HOUR = 3600 / (0.9 * WAIT)
"""Of one host, to which nothing new is told: the front end takes up to a fifth off each wait."""
ROUNDS = 3
VERIFICATIONS = 20
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Host:
    """One host. ``known`` is when it knew of the serial that ``Fleet.revoked`` names."""

    port: int
    address: str
    root: sshkey.PublicKey
    tag: str = ""
    polls: int = 0
    waits: bool = False
    serials: bytes = b""
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def live(self, wait: int) -> None:
        """Asks again and again, until it is cancelled."""
        where = (self.address, 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, local_addr=where, limit=1 << 24)
        try:
            while True:
                await self._ask(reader, writer, wait)
        finally:
            writer.close()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, wait: int) -> None:
        lines = ["GET /bundle HTTP/1.1", "Host: x", "Ssh-Jit-Version: 2", f"Prefer: wait={wait}"]
        lines += [f"If-None-Match: {self.tag}"] if self.tag else []
        writer.write("\r\n".join((*lines, "", "")).encode())
        self.waits = bool(self.tag)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)
        body = await reader.readexactly(int(fields.get("content-length", "0")))
        self.polls += 1
        if head.startswith("HTTP/1.1 200"):
            self._take(body)
            self.tag = fields["etag"]
            self.news.set()
        elif not head.startswith("HTTP/1.1 304") or "preference-applied" not in fields:
            raise RuntimeError(head)

    def _take(self, body: bytes) -> None:
        """Raises ``SshJitError`` unless the bundle is signed."""
        answer = json.loads(body)
        sshsig.verify(answer["signature"], self.root, bundle.NAMESPACE, answer["bundle"].encode())
        self.serials = base64.b64decode(json.loads(answer["bundle"])["krl"])

    async def knows(self, serial: int) -> float:
        """When it knew that a serial is revoked."""
        while u64(serial) not in self.serials:
            self.news.clear()
            await self.news.wait()
        return time.monotonic()


def lines(environment: Environment) -> Iterator[Result]:
    """A revocation at 1,000 hosts; ``/healthz`` beside 2,000 that wait; what a host costs the front end, and itself."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 2 * IDLE)), hard))
    socket_path, port = Path(environment.lab.paths.admin_socket), environment.web
    root = _root(socket_path)
    seconds = asyncio.run(_revocations(socket_path, port, root))
    last = percentile(seconds, 0.99)
    shown, took = f"{last:.2f} s", f"{milliseconds(percentile(seconds, 0.5))} median of {HOSTS:,} hosts"
    yield Result("fleet", "revocation in force on 99 % of hosts", shown, took, last, "s", 3)
    workers = {environment.lab.web.pid, *processes.descendants(environment.lab.web.pid)}
    slow, idle = asyncio.run(_idle(port, root, workers))
    waiting = f"{IDLE:,} polls wait"
    yield Result("fleet", "/healthz, the slowest", milliseconds(slow), waiting, slow * 1e3, "ms", 100)
    cost = asyncio.run(_cost(port, root, workers))
    hourly = cost * POLLS_PER_HOUR + idle * 3600 / IDLE
    each = f"{cost * 1e6:.0f} us a poll"
    yield Result("fleet", "front end, a host and hour", milliseconds(hourly), each, hourly * 1e3, "ms", 100)
    host = _verification(socket_path)
    yield Result("fleet", "ssh-keygen verifies, one host", milliseconds(host), "one new bundle", host * 1e3, "ms", 100)


def _newest(socket_path: Path) -> m.BundleReply:
    return admin_client.call(socket_path, m.ReadBundle(None), m.BundleReply)


def _root(socket_path: Path) -> sshkey.PublicKey:
    return sshkey.parse_line(bundle.read(_newest(socket_path).bundle or "", plain_http=True).root)


async def _fleet(
    port: int, root: sshkey.PublicKey, number: int, wait: int
) -> tuple[list[Host], list[asyncio.Task[None]]]:
    """Hosts that wait, each with the task that it lives in."""
    hosts = [Host(port, f"127.0.0.{2 + at // OF_ONE}", root) for at in range(number)]
    tasks = []
    for host in hosts:
        tasks.append(asyncio.create_task(host.live(wait)))
        if len(tasks) % 50 == 0:
            await asyncio.sleep(0.05)
    while not all(host.waits for host in hosts):
        for task in tasks:
            if task.done():
                task.result()
        await asyncio.sleep(0.1)
    return hosts, tasks


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError):
            await task


async def _revocations(socket_path: Path, port: int, root: sshkey.PublicKey) -> list[float]:
    """Seconds from the operator's command to each host that knows of it."""
    hosts, tasks = await _fleet(port, root, HOSTS, WAIT)
    seconds: list[float] = []
    for _ in range(ROUNDS):
        serial = await asyncio.to_thread(_signed, socket_path)
        await asyncio.sleep(2)
        told = [asyncio.create_task(host.knows(serial)) for host in hosts]
        await asyncio.sleep(0)
        began = time.monotonic()
        revoke = m.Revoke(None, None, serial, None, "bench")
        await asyncio.to_thread(admin_client.call, socket_path, revoke, m.RevokeReply)
        seconds += [when - began for when in await asyncio.gather(*told)]
    await _end(tasks)
    return seconds


def _signed(socket_path: Path) -> int:
    """The serial of a certificate that nobody uses."""
    with folder() as home:
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(home / "key")], check=True)
        key = " ".join((home / "key.pub").read_text().split()[:2])
    message = m.SignEmergency("deploy", ("web1",), key, "bench", 60)
    return admin_client.call(socket_path, message, m.EmergencyReply).serial


async def _idle(port: int, root: sshkey.PublicKey, workers: set[int]) -> tuple[float, float]:
    """The slowest answer of ``/healthz`` while many wait, and the front end's processor seconds for each second."""
    _, tasks = await _fleet(port, root, IDLE, WAIT)
    slow = 0.0
    used, began = _processor(workers), time.monotonic()
    for _ in range(100):
        at = time.monotonic()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        if not (await reader.read()).startswith(b"HTTP/1.1 200"):
            raise RuntimeError("/healthz is not well")
        slow = max(slow, time.monotonic() - at)
        writer.close()
        await asyncio.sleep(0.05)
    idle = (_processor(workers) - used) / (time.monotonic() - began)
    await _end(tasks)
    return slow, idle


async def _cost(port: int, root: sshkey.PublicKey, workers: set[int]) -> float:
    """The front end's processor time for a poll that waits and hears nothing new, in seconds."""
    hosts, tasks = await _fleet(port, root, HOSTS, SHORT_WAIT)
    polls, used = sum(host.polls for host in hosts), _processor(workers)
    await asyncio.sleep(WINDOW)
    used, polls = _processor(workers) - used, sum(host.polls for host in hosts) - polls
    await _end(tasks)
    return used / polls


def _processor(pids: set[int]) -> float:
    """Seconds of processor time that processes used so far."""
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(each[11]) + int(each[12]) for each in fields) / TICKS


def _verification(socket_path: Path) -> float:
    """Processor seconds of ``ssh-keygen`` for one bundle, as a host runs it."""
    reply = _newest(socket_path)
    text = reply.bundle or ""
    with folder() as home:
        (home / "signers").write_text(
            f'bundle namespaces="{bundle.NAMESPACE}" {bundle.read(text, plain_http=True).root}\n'
        )
        (home / "signature").write_text(reply.signature or "")
        command = ["ssh-keygen", "-Y", "verify", "-f", str(home / "signers"), "-I", "bundle", "-n", bundle.NAMESPACE]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        for _ in range(VERIFICATIONS):
            subprocess.run(
                [*command, "-s", str(home / "signature")], input=text.encode(), check=True, stdout=subprocess.DEVNULL
            )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / VERIFICATIONS
