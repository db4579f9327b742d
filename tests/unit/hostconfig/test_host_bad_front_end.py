"""What a front end in somebody else's hands costs a host: a refused exchange, and nothing after it."""

from __future__ import annotations

import subprocess
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from sshjit_host.errors import Unreachable
from sshjit_host.front_end import fetch
from tests.support.bad_front_end import (
    UNSENDABLE,
    dripping,
    reading_nothing,
    refusing_and_silent,
    tls_of_its_own,
)
from tests.support.host_machine import Authority, Front, Host
from tests.support.waiting import wait_until


@pytest.mark.parametrize(
    "first", [b"", b"HTTP/1.1 200 OK\r\nX-Drip: ", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"]
)
def test_one_deadline_is_over_the_whole_exchange(monkeypatch: pytest.MonkeyPatch, first: bytes) -> None:
    monkeypatch.setattr(fetch, "DEADLINE", 1)
    with dripping(first) as url:
        began = time.monotonic()
        with pytest.raises(Unreachable):
            fetch.bundle(url, "")
        assert time.monotonic() - began < 5


def test_one_deadline_is_over_what_is_posted_and_over_tls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As a host that renews its certificate; and whoever does not even read what is sent is left as soon."""
    monkeypatch.setattr(fetch, "DEADLINE", 1)
    context, trusted = tls_of_its_own(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    for front_end, body in (
        (dripping(), ""),
        (dripping(tls=context), ""),
        (reading_nothing(), " " * 32 * 1024 * 1024),
    ):
        with front_end as url:
            began = time.monotonic()
            with pytest.raises(Unreachable) as late:
                fetch.post(url, "renew", {"name": body})
            assert "cannot reach" in late.value.message
            assert "CERTIFICATE" not in late.value.message
            assert time.monotonic() - began < 5


def test_one_deadline_is_over_both_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first is refused shortly before it is over, and the one without the ETag is never answered."""
    monkeypatch.setattr(fetch, "DEADLINE", 4)
    with refusing_and_silent(3) as url:
        began = time.monotonic()
        with pytest.raises(Unreachable):
            fetch.bundle(url, '"7"')
        assert time.monotonic() - began < 6


def test_an_offer_that_another_run_overtook_meanwhile_is_no_alarm(
    authority: Authority, front: Front, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The front end answers slowly with what was the newest when it was asked; another run has a newer one by then."""
    front.serve(authority.offer())
    host.refresh()
    front.serve(authority.offer(sequence=2))
    answer, others = front.answer, list[str]()

    def overtaken(handler: BaseHTTPRequestHandler) -> None:
        asked = front.body
        if not others:
            others.append("")
            front.serve(authority.offer(sequence=3))
            others.append(host.refresh())
        newest, front.body = front.body, asked
        answer(handler)
        front.body = newest

    monkeypatch.setattr(front, "answer", overtaken)
    assert "took bundle" not in host.refresh()
    assert "took bundle 3" in others[1]
    assert "took bundle" not in host.refresh()


def test_a_dripping_front_end_silences_no_alarm_and_holds_up_nobody(
    authority: Authority, front: Front, host: Host
) -> None:
    """It drips while the bundle is old: that is said at once, and the admin's own run goes through."""
    front.serve(authority.offer(issued=1_700_000_000, expires=1_700_000_600))
    host.refresh()
    honest = host.settings["url"]
    log = host.folder / "watch.log"
    with dripping() as url:
        host.settings["url"] = url
        with log.open("wb") as file, subprocess.Popen(host.command("watch"), stderr=file) as watching:
            try:
                wait_until(lambda: "warning: no newer bundle since" in log.read_text(), "no alarm was given")
                host.settings["url"] = honest
                front.serve(authority.offer(sequence=2))
                began = time.monotonic()
                assert "took bundle 2" in host.refresh()
                assert time.monotonic() - began < 15
            finally:
                watching.kill()


@pytest.mark.parametrize("tag", UNSENDABLE)
def test_t76_an_etag_that_cannot_be_sent_back_is_not_kept(tag: str) -> None:
    assert fetch.entity_tag(tag) == ""


@pytest.mark.parametrize("tag", ['"12"', 'W/"12-ab"', '"' + "f" * 64 + '"'])
def test_an_honest_etag_is_kept(tag: str) -> None:
    assert fetch.entity_tag(tag) == tag


def test_t76_an_etag_for_which_an_honest_server_refuses_wedges_nobody(
    authority: Authority, front: Front, host: Host
) -> None:
    """The tag that is kept is one that the next server answers with 400; and a tag of a list is not even sent."""
    front.serve(authority.offer())
    host.refresh()
    kept = host.home / "bundle.etag"
    front.refused_tags = {'"poison"'}
    for number, poison in enumerate(('"poison"', '"poison", "1"', "*", "\u00e9"), 2):
        kept.write_text(poison)
        front.serve(authority.offer(sequence=number))
        assert f"took bundle {number}" in host.refresh()
        assert "If-None-Match" not in front.headers
    assert 400 in front.statuses
    front.refuse(404, {})
    host.refresh(code=8)
    assert front.statuses[-2:] == [404, 404], "asked once more without the tag, and no more"
