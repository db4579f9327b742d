"""What a front end in somebody else's hands costs a host: a refused exchange, and nothing after it."""

from __future__ import annotations

import subprocess
import time

import pytest

from sshjit_host import fetch
from sshjit_host.errors import Unreachable
from tests.support.bad_front_end import UNSENDABLE, dripping
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
