"""``python -m bench LINE --against COMMIT``: in turn, by pairs, and a load's processor time."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bench import against, checkout, load, side
from bench.against import Comparison
from bench.processes import ROOT
from bench.side import Numbers, Order


def test_the_sides_take_turns_in_being_first_and_pairs_keep_their_order() -> None:
    asked = list[str]()

    def one(name: str) -> against.Side:
        def measure(_: Order) -> Numbers:
            asked.append(name)
            return {name: {"is": len(asked)}}

        return measure

    pairs = against.in_turn(Order(0, 1.0), one("theirs"), one("ours"), 4)
    assert asked[2:] == ["ours", "theirs", "theirs", "ours", "ours", "theirs", "theirs", "ours"]
    assert [(list(theirs), list(ours)) for theirs, ours in pairs] == [(["theirs"], ["ours"])] * 4


def test_a_busy_moment_moves_no_ratio() -> None:
    rates = Comparison("ask", "x", "rate", [(100, 200), (10, 20), (100, 50)])
    assert (rates.ratio, rates.by_best) == (2.0, 2.0)
    times = Comparison("ask", "x", "processor, CA", [(10, 5), (40, 20), (10, 50)])
    assert (times.ratio, times.by_best) == (0.5, 0.5)
    assert times.cells() == ("ask", "x: processor, CA", "10 us", "20 us", "0.50", "0.50")


class Empty(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def answering() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Empty) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        yield server.server_port
        server.shutdown()


def test_a_load_says_what_the_server_took_for_each_answer() -> None:
    with answering() as port:
        asked = load.request("GET", "/", port=port)
        served = load.Served("nothing", load.http(port, lambda: asked), 2, {"this": os.getpid()})
        fast, paced = side.measure(served, Order(0, 0.2)), side.measure(served, Order(0, 0.2, 100))
    assert fast["nothing"].keys() == {"rate", "p99", "processor"}
    assert fast["nothing"]["processor"] > 0
    assert 50 <= paced["nothing"]["rate"] <= 100


def test_a_commit_that_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match="there is no commit 'no-such'"):
        checkout.prepare("no-such")
    command = [sys.executable, "-m", "bench", "--against", "HEAD"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (said.returncode, "takes names of lines" in said.stderr) == (2, True)
