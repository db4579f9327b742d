"""The front end under load, each call against an empty Flask route on the same server with the same settings."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator

from bench import load
from bench.load import request
from bench.results import Result, milliseconds, rate
from bench.timing import paired, percentile
from bench.world import World, wanted

IN_FLIGHT = 16
WINDOW = 0.7
ROUNDS = 5
PACED = 3.0
HOSTS = 250


def certificate(world: World) -> Iterator[Result]:
    """A certificate of a live grant."""
    path = f"/api/v1/requests/{world.grant()}/certificate"
    asked = request("POST", path, port=world.web, token=world.token)
    yield from _both("certificate", "certificate over HTTP, 16 in flight", lambda: asked, world, share=20, p99=20)


def ask(world: World) -> Iterator[Result]:
    """Ask, automatic approval and certificate in one call; each ask is for two hosts that nobody asked for before."""
    names = [f"paper{number}" for number in range(HOSTS)]
    world.enrol_paper(names)
    pairs = itertools.combinations(names, 2)
    bodies = (json.dumps(wanted(*pair, certificate=True)).encode() for pair in pairs)

    def asked() -> bytes:
        return request("POST", "/api/v1/requests", port=world.web, token=world.token, body=next(bodies))

    yield from _both("ask", "ask, yes and certificate in one call, 16 in flight", asked, world, share=10, p99=40)


def bundle(world: World) -> Iterator[Result]:
    """What every host asks every few seconds: is there a newer bundle."""
    tag = _etag(world)
    asked = request("GET", "/bundle", port=world.web, extra=f"If-None-Match: {tag}\r\n")
    ours, empty, share = _rates(world, load.http(world.web, lambda: asked))
    against = f"{rate(empty)} empty route"
    yield Result("bundle", "bundle poll, nothing new", rate(ours), against, share * 100, "%", 80, at_least=True)


def _both(
    name: str, what: str, asked: Callable[[], bytes], world: World, *, share: float, p99: float
) -> Iterator[Result]:
    traffic = load.http(world.web, asked, load.brings_certificate)
    ours, empty, ratio = _rates(world, traffic)
    yield Result(name, what, rate(ours), f"{rate(empty)} empty route", ratio * 100, "%", share, at_least=True)
    times = load.paced(traffic, rate=ours / 2, in_flight=IN_FLIGHT, seconds=PACED).times
    slow = percentile(times, 0.99)
    median = f"{milliseconds(percentile(times, 0.5))} median"
    yield Result(name, f"the same at {rate(ours / 2)}, p99", milliseconds(slow), median, slow * 1e3, "ms", p99)


def _rates(world: World, traffic: load.Traffic) -> tuple[float, float, float]:
    """Answers per second: to this traffic, of the empty route, and one by the other."""
    nothing = request("POST", "/", port=world.empty)
    empty = load.http(world.empty, lambda: nothing)

    def measure(asked: load.Traffic) -> Callable[[], float]:
        return lambda: load.closed(asked, in_flight=IN_FLIGHT, seconds=WINDOW).rate

    return paired(measure(traffic), measure(empty), ROUNDS)


def _etag(world: World) -> str:
    channel = load.http(world.web, bytes).connect()
    with channel:
        channel.sendall(request("GET", "/bundle", port=world.web))
        head = b""
        while b"\r\n\r\n" not in head:
            head += channel.recv(4096)
    line = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"etag:"))
    return line.partition(b":")[2].strip().decode()
