"""The front end under load, each call against an empty Flask route on the same server with the same settings."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator

from bench import load
from bench.environment import Environment, wanted
from bench.load import Served, request
from bench.measurement import paired, percentile
from bench.results import Result, milliseconds, rate

IN_FLIGHT = 16
WINDOW = 0.7
ROUNDS = 5
PACED = 3.0
HOSTS = 250


def certificate(environment: Environment) -> Iterator[Result]:
    """A certificate of a live grant."""
    for served in certificate_load(environment):
        yield from _both("certificate", served, environment, share=20, p99=20)


def certificate_load(environment: Environment) -> Iterator[Served]:
    """The same as a load."""
    path = f"/api/v1/requests/{environment.grant()}/certificate"
    asked = request("POST", path, port=environment.web, token=environment.token)
    traffic = load.http(environment.web, lambda: asked, load.brings_certificate)
    yield Served("certificate over HTTP, 16 in flight", traffic, IN_FLIGHT, environment.servers)


def ask(environment: Environment) -> Iterator[Result]:
    """Ask, automatic approval and certificate in one call; each ask is for two hosts that nobody asked for before."""
    for served in ask_load(environment):
        yield from _both("ask", served, environment, share=10, p99=40)


def ask_load(environment: Environment) -> Iterator[Served]:
    """The same as a load."""
    names = [f"paper{number}" for number in range(HOSTS)]
    environment.enrol_paper(names)
    pairs = itertools.combinations(names, 2)
    bodies = (json.dumps(wanted(*pair, certificate=True)).encode() for pair in pairs)

    def asked() -> bytes:
        return request("POST", "/api/v1/requests", port=environment.web, token=environment.token, body=next(bodies))

    traffic = load.http(environment.web, asked, load.brings_certificate)
    yield Served("ask, yes and certificate in one call, 16 in flight", traffic, IN_FLIGHT, environment.servers)


def bundle(environment: Environment) -> Iterator[Result]:
    """What every host asks every few seconds: is there a newer bundle."""
    for served in bundle_load(environment):
        ours, empty, share = _rates(environment, served.traffic)
        against = f"{rate(empty)} empty route"
        yield Result("bundle", served.what, rate(ours), against, share * 100, "%", 80, at_least=True)


def bundle_load(environment: Environment) -> Iterator[Served]:
    """The same as a load."""
    tag = _etag(environment)
    asked = request("GET", "/bundle", port=environment.web, extra=f"If-None-Match: {tag}\r\n")
    traffic = load.http(environment.web, lambda: asked)
    yield Served("bundle poll, nothing new", traffic, IN_FLIGHT, environment.servers)


def _both(name: str, served: Served, environment: Environment, *, share: float, p99: float) -> Iterator[Result]:
    ours, empty, ratio = _rates(environment, served.traffic)
    yield Result(name, served.what, rate(ours), f"{rate(empty)} empty route", ratio * 100, "%", share, at_least=True)
    times = load.paced(served.traffic, rate=ours / 2, in_flight=IN_FLIGHT, seconds=PACED).times
    slow = percentile(times, 0.99)
    median = f"{milliseconds(percentile(times, 0.5))} median"
    yield Result(name, f"the same at {rate(ours / 2)}, p99", milliseconds(slow), median, slow * 1e3, "ms", p99)


def _rates(environment: Environment, traffic: load.Traffic) -> tuple[float, float, float]:
    """Answers per second: to this traffic, of the empty route, and one by the other."""
    nothing = request("POST", "/", port=environment.empty)
    empty = load.http(environment.empty, lambda: nothing)

    def measure(asked: load.Traffic) -> Callable[[], float]:
        return lambda: load.closed(asked, in_flight=IN_FLIGHT, seconds=WINDOW).rate

    return paired(measure(traffic), measure(empty), ROUNDS)


def _etag(environment: Environment) -> str:
    channel = load.http(environment.web, bytes).connect()
    with channel:
        channel.sendall(request("GET", "/bundle", port=environment.web))
        head = b""
        while b"\r\n\r\n" not in head:
            head += channel.recv(4096)
    line = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"etag:"))
    return line.partition(b":")[2].strip().decode()
