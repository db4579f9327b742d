"""What Prometheus reads of a front end, and what the CA counts."""

from __future__ import annotations

import re
import time
from urllib.request import urlopen

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import func, insert, select, text, update

from demo.lab.paths import free_ports
from sshjit import ca_protocol as m
from sshjit.errors import Failed, Refused, SshJitError
from sshjit_web.gateway import Head
from sshjit_web.metrics import Metrics
from sshjit_web.schema import DELIVERIES, NOTIFIER
from tests.support.in_process_ca import FrontEnd
from tests.support.installation import ALICE, BOB, CAROL, DANA


def head(path: str, method: str = "GET") -> Head:
    return Head(method, path, "192.0.2.7", lambda _: None, time.perf_counter())


def samples(metrics: Metrics) -> dict[str, float]:
    """Every sample, by its name with its labels."""
    page = generate_latest(metrics.registry).decode()
    return {
        sample.name + "".join(f" {key}={value}" for key, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def numbers(world: FrontEnd) -> dict[str, float]:
    return samples(Metrics(world.authority))


def test_what_was_issued_denied_and_approved_is_counted(world: FrontEnd) -> None:
    ca = world.ca
    alice, bob, carol, dana = ca.native(ALICE), ca.native(BOB), ca.native(CAROL), ca.native(DANA)
    ca.ask(alice, "web1")
    waiting = ca.ask(dana, "db1", login="postgres", action="migrate").request
    assert numbers(world)["ssh_jit_ca_requests_waiting"] == 1
    ca.time += 100
    ca.boot += 100
    ca.say(m.Approve(bob, waiting.id, waiting.digest, "", None), m.RequestReply)
    other = ca.ask(dana, "db1", login="postgres", start=int(ca.time) + 7200).request
    ca.say(m.Deny(bob, other.id, other.digest, "no", None), m.RequestReply)
    with pytest.raises(Refused):
        ca.ask(carol, "web1")
    found = numbers(world)
    assert found["ssh_jit_ca_certificates_issued_total kind=user"] == 1
    assert (
        found["ssh_jit_ca_grants_opened_total how=automatic"]
        == found["ssh_jit_ca_grants_opened_total how=reviewed"]
        == 1
    )
    assert found["ssh_jit_ca_decisions_total verdict=approve"] == found["ssh_jit_ca_decisions_total verdict=deny"] == 1
    assert found["ssh_jit_ca_refused_total code=no_rule message=ask"] == 1
    assert found["ssh_jit_ca_approval_seconds_bucket le=60.0"] == 0
    assert found["ssh_jit_ca_approval_seconds_bucket le=180.0"] == found["ssh_jit_ca_approval_seconds_count"] == 1
    assert found["ssh_jit_ca_approval_seconds_sum"] == 100
    assert found["ssh_jit_ca_requests_waiting"] == 0
    assert found["ssh_jit_ca_grants_open"] == 2
    assert found["ssh_jit_ca_up"] == found["ssh_jit_ca_ready"] == 1


def test_what_came_of_a_lost_batch_does_not_count(world: FrontEnd, monkeypatch: pytest.MonkeyPatch) -> None:
    ca = world.ca
    alice = ca.native(ALICE)
    before = numbers(world)
    with monkeypatch.context() as broken:
        broken.setattr(ca.context.store, "commit", lambda *_: (_ for _ in ()).throw(Failed("not_signing", "no disk")))
        with pytest.raises(Failed):
            ca.ask(alice, "web1")
    found = numbers(world)
    assert found["ssh_jit_ca_ready"] == 0
    assert found["ssh_jit_ca_check name=database"] == 0
    ca.ask(alice, "web1")
    found = numbers(world)
    assert found["ssh_jit_ca_certificates_issued_total kind=user"] == 1
    assert found["ssh_jit_ca_entries_total kind=ask"] == before.get("ssh_jit_ca_entries_total kind=ask", 0) + 1
    assert found["ssh_jit_ca_check name=database"] == 1


def test_nothing_that_people_wrote_is_a_label(world: FrontEnd) -> None:
    """Neither in what the CA says, nor in what a front end counts of what it is sent."""
    metrics = Metrics(world.authority)
    world.page(ALICE, "/requests")
    world.ask(DANA, "db1", login="postgres", reason="CHG-7 secret words")
    metrics.observe(head("/requests/req-7k2m"), 200, 0.1)
    metrics.observe(head("/api/v1/requests"), 201, 0.1)
    metrics.observe(head("/alice@example.com", "BREW"), 404, 0.1)
    page = generate_latest(metrics.registry).decode()
    for word in ("alice", "dana", "example.com", "secret", "CHG-7", "db1", "postgres", "req-", "BREW"):
        assert word not in page, word
    assert set(re.findall(r'ssh_jit_web_request_seconds_count\{kind="(\w+)"', page)) == {"page", "api"}


def test_without_the_ca_a_front_end_still_says_how_it_is(world: FrontEnd) -> None:
    metrics = Metrics(world.authority, lambda: 3)
    metrics.observe(head("/bundle"), 304, 0.002)
    world.authority.stop()
    found = samples(metrics)
    assert found["ssh_jit_ca_up"] == 0
    assert found["ssh_jit_web_requests_unfinished"] == 3
    assert found["ssh_jit_web_request_seconds_count kind=bundle method=GET status=304"] == 1
    assert not any(name.startswith("ssh_jit_ca_") for name in found.keys() - {"ssh_jit_ca_up"})


def test_it_listens_where_it_is_told_and_says_where_it_cannot(world: FrontEnd) -> None:
    (port,) = free_ports(1)
    metrics = Metrics(world.authority)
    metrics.listen("127.0.0.1", port)
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        assert b"ssh_jit_ca_up 1.0" in answer.read()
    with pytest.raises(SshJitError, match=f"cannot listen on 127.0.0.1 port {port} for metrics"):
        metrics.listen("127.0.0.1", port)


def test_a_reading_changes_nothing(world: FrontEnd) -> None:
    size = world.ca.context.state.size
    samples(Metrics(world.authority))
    assert world.ca.context.state.size == size


def _owe(world: FrontEnd, channel: str, state: str, *, due: int, until: int | None = None) -> None:
    """A delivery, as the notifier keeps it."""
    with world.store.engine.begin() as connection:
        number = connection.execute(select(func.count()).select_from(DELIVERIES)).scalar_one()
        row = {"id": f"msg_{number}", "thing": f"thing {number}", "topic": "asked", "request": "ask-1"}
        row |= {"recipient": "dana@example.com", "claimed": "", "last_error": "", "channel": channel, "state": state}
        until = due + 86_400 if until is None else until
        times = {"tries": 1, "next_try": due, "due": due, "until": until, "changed": due}
        connection.execute(insert(DELIVERIES).values(**row, **times))


def test_what_the_notifier_owes_is_counted(world: FrontEnd) -> None:
    now = int(time.time())

    def found() -> dict[str, float]:
        return samples(Metrics(world.authority, notifications=world.store.engine))

    before = {name: value for name, value in found().items() if name.startswith("ssh_jit_web_notify")}
    assert before == {
        "ssh_jit_web_notify_working": 0,
        "ssh_jit_web_notify_read_entries": 0,
        "ssh_jit_web_notify_late_seconds": 0,
    }
    for channel, state, due in (
        ("mail", "waiting", now - 500),
        ("mail", "waiting", now - 20),
        ("chat", "waiting", now - 40),
        ("chat", "waiting", now + 600),
        ("chat", "dead", now - 9000),
        ("mail", "sent", now - 9000),
    ):
        _owe(world, channel, state, due=due)
    _owe(world, "mail", "waiting", due=now - 9000, until=now - 1)
    with world.store.engine.begin() as connection:
        connection.execute(update(NOTIFIER).values(position=6, holder="x", lease=now + 60))
    after = found()
    assert after["ssh_jit_web_notify_due channel=mail"] == 2
    assert after["ssh_jit_web_notify_due channel=chat"] == 1
    assert after["ssh_jit_web_notify_given_up channel=chat"] == 1
    assert "ssh_jit_web_notify_given_up channel=mail" not in after
    assert 500 <= after["ssh_jit_web_notify_late_seconds"] < 600
    assert after["ssh_jit_web_notify_read_entries"] == 7
    assert after["ssh_jit_web_notify_working"] == 1
    assert not any(name.startswith("ssh_jit_web_notify") for name in samples(Metrics(world.authority)))


def test_while_the_database_is_away_nothing_is_said_of_the_notifier(world: FrontEnd) -> None:
    with world.store.engine.begin() as connection:
        connection.execute(text("DROP TABLE deliveries"))
    after = samples(Metrics(world.authority, notifications=world.store.engine))
    assert after["ssh_jit_ca_up"] == 1
    assert not any(name.startswith("ssh_jit_web_notify") for name in after)
