"""The pages: how long each takes at the median, and what it weighs with everything that it loads."""

from __future__ import annotations

import http.client
import re
import time
from collections.abc import Iterator
from statistics import median
from urllib.parse import urlsplit

from bench.environment import Environment, wanted
from bench.results import Result, milliseconds

PAGES = ("/requests", "/requests/new?host=web1", "/approvals", "/history", "/log", "/explain?more=web1", "/break-glass")
ROUNDS = 15
HOSTS, REQUESTS = 100, 31
_ASSET = re.compile(r'(?:href|src)="(/static/[^"]+)"')


def lines(environment: Environment) -> Iterator[Result]:
    """The slowest page, and the heaviest, where a hundred hosts and a busy morning of alice's are shown."""
    cookie = _sign_in(environment)
    _be_busy(environment)
    times, weights = dict[str, float](), dict[str, float]()
    connection = http.client.HTTPConnection("127.0.0.1", environment.web, timeout=20)
    try:
        for path in (*PAGES, f"/requests/{environment.grant()}"):
            took, text = _page(connection, path, cookie)
            name = re.sub(r"req-\w+", "ID", path)
            times[name] = took
            assets = sum(len(_get(connection, each, cookie)) for each in sorted(set(_ASSET.findall(text.decode()))))
            weights[name] = (len(text) + assets) / 1000
    finally:
        connection.close()
    slow, heavy = max(times, key=lambda name: times[name]), max(weights, key=lambda name: weights[name])
    rest = f"{milliseconds(median(times.values()))} middle page"
    yield Result("pages", f"slowest page ({slow})", milliseconds(times[slow]), rest, times[slow] * 1e3, "ms", 20)
    light = f"{median(weights.values()):.0f} kB middle page"
    yield Result("pages", f"heaviest page ({heavy})", f"{weights[heavy]:.0f} kB", light, weights[heavy], "kB", 60)


def _be_busy(environment: Environment) -> None:
    """Hosts to choose from, and requests that are over, with much to say."""
    names = [f"app{number}" for number in range(HOSTS)]
    environment.enrol_paper(names)
    for name in names[:REQUESTS]:
        body = wanted(name, certificate=False) | {"reason": "x" * 490}
        request = environment.api("POST", "requests", body)["request"]["id"]
        environment.api("POST", f"requests/{request}/end")


def _page(connection: http.client.HTTPConnection, path: str, cookie: str) -> tuple[float, bytes]:
    """The median time, and the page."""
    times, text = [], b""
    for _ in range(ROUNDS):
        began = time.perf_counter()
        text = _get(connection, path, cookie)
        times.append(time.perf_counter() - began)
    return median(times), text


def _get(connection: http.client.HTTPConnection, path: str, cookie: str) -> bytes:
    connection.request("GET", path, headers={"Cookie": cookie})
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"{path}: {answer.status}")
    return text


def _sign_in(environment: Environment) -> str:
    browser = environment.alice.browser()
    browser.visit(f"{environment.lab.url}/auth/acme/start")
    name = f"ssh-jit-{urlsplit(environment.lab.url).port}"
    value = browser.cookie(name)
    if value is None:
        raise RuntimeError("alice's browser has no session")
    return f"{name}={value}"
