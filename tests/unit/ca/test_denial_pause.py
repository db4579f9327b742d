"""Limits of people and providers at the CA: asks in an hour, sign-ins in a minute, and the pause after a denial."""

from __future__ import annotations

import contextlib
import re
from dataclasses import replace
from typing import Any, cast

import pytest

from sshjit import ca_protocol as m
from sshjit.errors import Failed, Invalid, Refused
from sshjit_ca import config, preparations
from sshjit_ca.oidc.provider_keys import ProviderKeys
from tests.support.break_glass import RULE
from tests.support.installation import ALICE, BOB, DANA, Installation


def denied(ca: Installation, bob: str, dana: str, **asked: Any) -> m.RequestView:
    request = ca.ask(dana, "db1", login="postgres", **asked).request
    return ca.say(m.Deny(bob, request.id, request.digest, "not now", None), m.RequestReply).request


def later(ca: Installation, seconds: float) -> None:
    ca.time += seconds
    ca.boot += seconds


@pytest.fixture
def paused(ca: Installation) -> Installation:
    ca.context.config = replace(ca.context.config, denial_pause=600)
    return ca


def test_who_was_denied_asks_again_after_the_pause_and_hears_how_long(paused: Installation) -> None:
    bob, dana = paused.native(BOB), paused.native(DANA)
    request = denied(paused, bob, dana)
    later(paused, 120)
    with pytest.raises(Refused) as error:
        paused.ask(dana, "db1", login="postgres", reason="CHG-8 please")
    assert error.value.code == "denied_lately"
    assert error.value.message == f"request {request.id} for the same was denied lately; ask again in 8 min"
    later(paused, 479)
    with pytest.raises(Refused, match="ask again in 1 s"):
        paused.ask(dana, "db1", login="postgres")
    later(paused, 1)
    assert paused.ask(dana, "db1", login="postgres").request.state == "pending"


def test_another_action_is_not_the_same(paused: Installation) -> None:
    bob, dana = paused.native(BOB), paused.native(DANA)
    denied(paused, bob, dana)
    assert paused.ask(dana, "db1", login="postgres", action="migrate").request.state == "pending"
    with pytest.raises(Refused):
        paused.ask(dana, "db1", login="postgres")


def test_another_sign_in_of_the_same_person_is_no_way_around(paused: Installation) -> None:
    bob, dana = paused.native(BOB), paused.native(DANA)
    denied(paused, bob, dana)
    with pytest.raises(Refused, match="denied lately"):
        paused.ask(paused.web(DANA), "db1", login="postgres", certificate=False)


def test_somebody_else_and_what_no_one_decides_are_not_held_up(paused: Installation) -> None:
    """Nor is an emergency."""
    bob, dana, alice = paused.native(BOB), paused.native(DANA), paused.native(ALICE)
    denied(paused, bob, dana)
    assert paused.ask(alice, "web1").request.state == "approved"
    rule = RULE.replace('"sre"', '"dba"').replace('"root"', '"postgres"')
    paused.change_policy('[[allow]]\nname = "staging"', f'{rule}\n[[allow]]\nname = "staging"')
    glass = paused.ask(dana, "db1", login="postgres", reason="the database is on fire", break_glass=True)
    assert glass.request.state == "approved"


def test_without_the_setting_one_asks_again_at_once(ca: Installation) -> None:
    assert ca.config.denial_pause == 0
    bob, dana = ca.native(BOB), ca.native(DANA)
    denied(ca, bob, dana)
    assert ca.ask(dana, "db1", login="postgres").request.state == "pending"


def test_a_person_asks_so_often_within_an_hour(ca: Installation) -> None:
    ca.context.config = replace(ca.context.config, asks_per_hour=2)
    dana = ca.native(DANA)
    for _ in range(2):
        request = ca.ask(dana, "db1", login="postgres").request
        ca.say(m.Cancel(dana, request.id), m.RequestReply)
    later(ca, 600)
    with pytest.raises(Refused) as error:
        ca.ask(dana, "db1", login="postgres")
    assert (error.value.code, error.value.hint) == ("too_many", "ask again in 50 min")
    later(ca, 3000)
    ca.ask(dana, "db1", login="postgres")


def sign_in(keys: ProviderKeys, address: str) -> None:
    """One whose token is real."""
    with keys.counted(address):
        pass


def refused(keys: ProviderKeys, address: str) -> str:
    with pytest.raises(Failed, match="too many sign-ins by acme") as error:
        sign_in(keys, address)
    assert error.value.code == "busy"
    return error.value.hint


def test_sign_ins_of_one_provider_are_counted_by_themselves(ca: Installation) -> None:
    now = [0.0]
    issuers = {name: ca.context.providers[name] for name in ("acme", "partner")}
    keys = {name: ProviderKeys(name, issuer, lambda: now[0], most=60) for name, issuer in issuers.items()}
    for number in range(60):
        sign_in(keys["acme"], f"192.0.2.{number}")
    assert refused(keys["acme"], "192.0.2.99") == "try again in 2 s"
    sign_in(keys["partner"], "192.0.2.1")
    now[0] = 1.0
    sign_in(keys["acme"], "192.0.2.99")


@pytest.mark.parametrize("addresses", [["192.0.2.1"], ["2001:db8::1", "2001:db8::2"]])
def test_one_network_does_not_use_up_a_providers_sign_ins(ca: Installation, addresses: list[str]) -> None:
    keys = ProviderKeys("acme", ca.context.providers["acme"], lambda: 0.0, most=60)
    for number in range(15):
        sign_in(keys, addresses[number % len(addresses)])
    for number in range(100):
        refused(keys, addresses[number % len(addresses)])
    for number in range(45):
        sign_in(keys, f"198.51.100.{number}")


@pytest.mark.parametrize("networks", [4, 12, 100])
def test_nor_do_several_networks_together(ca: Installation, networks: int) -> None:
    now = [0.0]
    keys = ProviderKeys("acme", ca.context.providers["acme"], lambda: now[0], most=6000)
    for _ in range(1500):
        for number in range(networks):
            with contextlib.suppress(Failed):
                sign_in(keys, f"192.0.2.{number}")
    hint = refused(keys, "192.0.2.1")
    for number in range(100):
        sign_in(keys, f"198.51.100.{number}")
    now[0] = float(re.findall(r"\d+", hint)[0]) + 1
    sign_in(keys, "192.0.2.1")


def test_what_is_no_token_counts_for_its_network_and_not_for_the_provider(ca: Installation) -> None:
    keys = ProviderKeys("acme", ca.context.providers["acme"], lambda: 0.0, most=60)
    for number in range(15 * 8):
        with contextlib.suppress(Invalid), keys.counted(f"192.0.2.{number % 8}"):
            raise Invalid("bad_token", "junk")
    refused(keys, "192.0.2.1")
    for number in range(60):
        sign_in(keys, f"198.51.100.{number}")


def test_a_sign_in_by_an_id_token_that_is_real_counts(ca: Installation) -> None:
    for keys in ca.context.published.values():
        keys._rates.most = 1
    with pytest.raises(Invalid):
        preparations.prepare_web_login(ca.context, m.LoginWeb("acme", "junk", "nonce", "192.0.2.1"), 0)
    ca.native(ALICE)
    with pytest.raises(Failed, match="too many sign-ins by acme"):
        ca.native(ALICE)
    with pytest.raises(Failed, match="too many sign-ins by acme"):
        ca.web(BOB)
    ca.native(DANA)


def test_what_no_key_signed_uses_up_no_sign_in(ca: Installation) -> None:
    key = ca.context.keys.public("log").line
    issuers = replace(ca.context, workloads={"acme": cast("Any", None)})
    for keys in ca.context.published.values():
        keys._rates.most = 1
    for line in ("junk", key, key):
        with pytest.raises(Invalid):
            preparations.prepare_native_login(
                ca.context, m.LoginNative("acme", "x", line, "salt", "junk", "192.0.2.1"), 0
            )
        with pytest.raises(Invalid):
            preparations.prepare_workload_login(issuers, m.LoginWorkload("acme", "x", line, "junk", "192.0.2.1"), 0)
    ca.native(ALICE)


@pytest.mark.parametrize("line", ["asks_per_hour = 0", "sign_ins_per_minute = 10001", 'denial_pause = "2d"'])
def test_limits_have_limits(ca: Installation, line: str) -> None:
    path = ca.home / "ca.toml"
    path.write_text(path.read_text() + f"{line}\n")
    with pytest.raises(Invalid, match=line.split(maxsplit=1)[0]):
        config.load(path)
