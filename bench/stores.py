"""SQLite and PostgreSQL, one front end and two: certificates, bundle polls and a page, each against the empty route.

Two front ends need PostgreSQL: with SQLite each would have sessions of its own. Load generator, front ends, CA and
database share the machine's cores, so two front ends show what a second one costs there, and not what it adds on a
machine of its own.
"""

from __future__ import annotations

import http.client
import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from bench import load
from bench.environment import Environment
from bench.load import request
from bench.measurement import paired, percentile
from bench.processes import folder
from bench.results import Result, milliseconds, rate
from sshjit import ca_protocol as m
from sshjit_web import config
from sshjit_web.ca_client import CaClient
from sshjit_web.security import Cookies
from sshjit_web.sessions import Sessions
from sshjit_web.store import Store, open_engine
from tests.faults.people import sign_in
from tests.faults.plain import Plain, running
from tests.support.front_ends import Client
from tests.support.installation import ALICE
from tests.support.issuer import WEB_CLIENT

IN_FLIGHT = 16
WINDOW = 0.7
ROUNDS = 5
PACED = 3.0
PAGES = 25
SHARE = {1: 20, 2: 12}
"""Percent of the empty route's rate, by front ends: a second one takes its share of the same cores."""
WHERE = (("sqlite", 1), ("postgresql", 1), ("postgresql", 2))


def lines(environment: Environment) -> Iterator[Result]:
    """A certificate, a poll and a page at each place."""
    for database, fronts in WHERE:
        with folder() as home:
            home.chmod(0o755)
            with running(home, database, fronts=fronts) as place:
                where = f"{database}, {fronts} front end{'s' if fronts > 1 else ''}"
                yield _page(place, where)
                yield from _polls(place, where, environment)
                yield from _certificates(place, where, environment)


def _certificates(place: Plain, where: str, environment: Environment) -> Iterator[Result]:
    token = str(sign_in(place, ALICE).body["token"])
    asked = Client(place.fronts[0].port, token).ask("web1").body["request"]["id"]
    path = f"/api/v1/requests/{asked}/certificate"
    traffic = _traffic(place, request("POST", path, port=place.fronts[0].port, token=token), certificates=True)
    ours, empty, share = _rates(traffic, environment)
    against = f"{rate(empty)} empty route"
    least = SHARE[len(place.fronts)]
    yield Result("stores", f"certificate, {where}", rate(ours), against, share * 100, "%", least, at_least=True)
    times = load.paced(traffic, rate=ours / 2, in_flight=IN_FLIGHT, seconds=PACED).times
    slow, middle = percentile(times, 0.99), f"{milliseconds(percentile(times, 0.5))} median"
    yield Result("stores", f"the same at {rate(ours / 2)}, p99", milliseconds(slow), middle, slow * 1e3, "ms", 20)


def _polls(place: Plain, where: str, environment: Environment) -> Iterator[Result]:
    port = place.fronts[0].port
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", "/bundle")
    answer = connection.getresponse()
    answer.read()
    connection.close()
    poll = request("GET", "/bundle", port=port, extra=f"If-None-Match: {answer.headers['ETag']}\r\n")
    ours, empty, share = _rates(_traffic(place, poll), environment)
    against = f"{rate(empty)} empty route"
    yield Result("stores", f"bundle poll, {where}", rate(ours), against, share * 100, "%", 80, at_least=True)


def _page(place: Plain, where: str) -> Result:
    """The page of requests, of somebody who is signed in; at each front end in turn."""
    cookie, times = _session(place), list[float]()
    for number in range(PAGES):
        front = place.fronts[number % len(place.fronts)]
        name = Cookies(config.load(front.config)).session
        connection = http.client.HTTPConnection("127.0.0.1", front.port, timeout=20)
        connection.connect()
        began = time.perf_counter()
        connection.request("GET", "/requests", headers={"Cookie": f"{name}={cookie}"})
        answer = connection.getresponse()
        answer.read()
        times.append(time.perf_counter() - began)
        connection.close()
        if answer.status != 200:
            raise RuntimeError(f"/requests: {answer.status}")
    middle = median(times)
    return Result("stores", f"page /requests, {where}", milliseconds(middle), "", middle * 1e3, "ms", 20)


def _session(place: Plain) -> str:
    """The cookie of a browser in which Alice is signed in."""
    place.ca.time, nonce = time.time(), "a nonce of this measurement"
    token = place.ca.token(ALICE, WEB_CLIENT, nonce)
    settings = config.load(place.fronts[0].config)
    ca = CaClient(*map(Path, settings.ca_socket), keep=1)
    store = Store(open_engine(settings.database))
    try:
        login = ca.call(m.LoginWeb(ALICE.provider, token, nonce, "127.0.0.1"), m.LoginReply).login
        return Sessions(ca, store, time.time, config.session_key(Path(settings.session_key_file))).open("page", login)
    finally:
        ca.close()
        store.close()


def _traffic(place: Plain, asked: bytes, *, certificates: bool = False) -> load.Traffic:
    """The same question at every front end in turn."""
    ports = itertools.cycle(front.port for front in place.fronts)
    good = load.brings_certificate if certificates else load.http_good
    return load.Traffic(lambda: load.connect(next(ports)), lambda: asked, load.http_length, good)


def _rates(traffic: load.Traffic, environment: Environment) -> tuple[float, float, float]:
    nothing = request("POST", "/", port=environment.empty)
    empty = load.http(environment.empty, lambda: nothing)
    return paired(
        lambda: load.closed(traffic, in_flight=IN_FLIGHT, seconds=WINDOW).rate,
        lambda: load.closed(empty, in_flight=IN_FLIGHT, seconds=WINDOW).rate,
        ROUNDS,
    )
