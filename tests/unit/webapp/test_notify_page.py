"""The page about notifications: for auditors alone, and it shows what was given up."""

from __future__ import annotations

from pathlib import Path

from sshjit import ca_protocol as m
from sshjit_web.notify.ledger import Ledger
from sshjit_web.notify.log_follower import LogFollower
from tests.support import in_process_ca
from tests.support.in_process_ca import EVE
from tests.support.installation import ALICE, BOB, DANA
from tests.support.issuer import Issuer
from tests.support.notified import CONFIG, ORIGIN


def test_auditors_see_what_is_owed_and_what_was_given_up(tmp_path: Path, issuers: dict[str, Issuer]) -> None:
    with in_process_ca.front_end(tmp_path, issuers, in_process_ca.policy()) as world:
        world.browser(BOB)
        assert "Notifications are off: the notifier isn't running" in world.page(EVE, "/notifications")
        ledger = Ledger(world.store.engine, "web1/7/x", 15)
        now = int(world.ca.time)
        assert ledger.take(now)
        request_id = world.ask(DANA, "db1")
        LogFollower(world.authority, ledger, CONFIG, ORIGIN, lambda: now).step()
        (owed,) = ledger.claim("mail", now, 1)
        ledger.failed(owed.id, now, "<b>the server</b> is down", next_try=None)
        page = world.page(EVE, "/notifications")
        assert "The notifier is running" in page
        assert "1 dead, 1 waiting" in page
        assert "&lt;b&gt;the server&lt;/b&gt; is down" in page
        assert f"/requests/{request_id}" in page
        assert f"ssh-jit-web notify retry {owed.id}" in page
        assert 'href="/notifications"' in world.page(EVE, "/log")


def test_others_do_not(tmp_path: Path, issuers: dict[str, Issuer]) -> None:
    with in_process_ca.front_end(tmp_path, issuers, in_process_ca.policy()) as world:
        assert world.get(ALICE, "/notifications").status_code == 403
        assert 'href="/notifications"' not in world.page(ALICE, "/log")
        assert world.ca.say(m.Health(), m.HealthReply).ready
