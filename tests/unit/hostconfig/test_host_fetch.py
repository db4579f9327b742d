"""What a hostile front end can cost a host that asks it: nothing without an end, and never more than a line."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from sshjit_host.errors import BundleRefused, HostError, Unreachable
from sshjit_host.front_end import fetch, timed
from sshjit_host.machine import files
from tests.support.bad_front_end import answering, flooding
from tests.support.host_machine import Front

HEAD = b"HTTP/1.1 426 Upgrade Required\r\n"


@pytest.mark.parametrize("status", [b"200 OK", b"426 Upgrade Required"])
def test_t49_an_answer_that_trickles_ends(status: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "DEADLINE", 0.5)
    head = b"HTTP/1.1 " + status + b"\r\nContent-Length: 4000\r\n\r\n"
    began = time.monotonic()
    with answering([head, *[b" "] * 4000], pause=0.02) as url, pytest.raises(Unreachable):
        fetch.bundle(url, "")
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "rest",
    [
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"Content-Length: 9\r\n\r\n{}",
        b"Content-Length: 2\r\n\r\n[]",
        b'Content-Length: 14\r\n\r\n{"error": "no"}',
        b"Content-Length: 200000\r\n\r\n" + b"[" * 200_000,
    ],
)
def test_t49_a_refusal_that_is_none_is_a_line(rest: bytes) -> None:
    with answering([HEAD + rest]) as url, pytest.raises(Unreachable, match="answers with status 426"):
        fetch.bundle(url, "")


def test_t49_an_answer_that_is_too_long_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes fast, so that no deadline ends it, and no header says how long it is."""
    monkeypatch.setattr(fetch, "LONGEST_ANSWER", 3 * fetch.CHUNK)
    with flooding() as url, pytest.raises(BundleRefused, match="too long"):
        fetch.bundle(url, "")


def test_t49_no_read_may_take_longer_than_what_is_left_of_the_whole() -> None:
    deadline = timed.Deadline(patience=10, total=0.3)
    assert 0 < deadline.left() <= 0.3
    time.sleep(0.35)
    with pytest.raises(TimeoutError):
        deadline.left()
    assert timed.Deadline(patience=10, total=60).left() == 10


def test_the_lock_file_is_never_somebody_elses_file(tmp_path: Path) -> None:
    """Who can write the folder for a moment has nothing opened or made elsewhere by a link of the lock's name."""
    other = tmp_path / "other"
    (tmp_path / ".lock").symlink_to(other)
    with pytest.raises(HostError, match="cannot open"), files.locked(tmp_path / ".lock"):
        pass
    assert not other.exists()


def test_the_proxy_of_the_environment_is_asked_and_no_proxy_counts(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "no_proxy", "HTTP_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", front.url)
    with pytest.raises(Unreachable, match="answers with status 404"):
        fetch.bundle("http://front.invalid", "", wait=20)
    assert (front.headers["Host"], front.headers["Prefer"]) == ("front.invalid", "wait=20")
    monkeypatch.setenv("no_proxy", "front.invalid")
    with pytest.raises(Unreachable, match=r"cannot reach http://front\.invalid"):
        fetch.bundle("http://front.invalid", "", wait=20)
