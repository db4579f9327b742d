"""Whatever comes in at a name, the daemon stays, meets no defect of its own, and signs nothing.

The frames are made of what somebody at the name could know: the ids of logins, requests and hosts, keys, tokens that
were used. Nobody has a native login, so that no certificate could be due to anybody.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sshjit import ca_protocol as m
from sshjit import wire
from sshjit_ca.operations import admin_client
from sshjit_ca.routes import ROUTES
from sshjit_ca.sockets import Socket
from tests.support.ca_sockets import serving_sockets
from tests.support.installation import ALICE, BOB, Installation
from tests.support.issuer import WEB_CLIENT
from tests.unit.ca.test_server import answers, connect, framed
from tests.unit.sshjit.core_world import broken, instances, json_values

SIGNING = {"add_host", "certify_host", "sign_emergency"}
"""Messages of the operator that do sign: not to be said by chance."""
SIGNED = {"certificate", "host-certificate", "emergency"}
PATIENCE = 60.0
"""Seconds for all answers: an operator may ask for RSA keys, which take seconds to make on a busy machine."""
FIRE = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@dataclass(frozen=True)
class Besieged:
    """A CA that serves; what a front end knows of it, by the name of the field where it belongs."""

    ca: Installation
    known: dict[str, tuple[str, ...]]
    before: int = 0
    """Signed entries at the start: the host certificates of the installation."""

    def signed(self) -> int:
        """Entries that record something signed for somebody."""
        return sum(kind in SIGNED for kind in self.ca.kinds())


@pytest.fixture
def besieged(ca: Installation) -> Iterator[Besieged]:
    """Two people are signed in at the pages; one has a grant, and a request that waits."""
    ca.change_policy('roles = ["dba"]', 'roles = ["dba", "sre"]')
    alice, bob = ca.web(ALICE), ca.web(BOB)
    granted = ca.ask(alice, "web1", certificate=False).request
    waiting = ca.ask(alice, "db1", certificate=False).request
    assert (granted.state, waiting.state) == (m.RequestState.APPROVED, m.RequestState.PENDING)
    native = ca.native_message(ALICE)
    known = {
        "login_id": (alice, bob),
        "login": ("deploy", "postgres", alice),
        "request": (granted.id, waiting.id),
        "digest": (granted.digest, waiting.digest),
        "hosts": ("web1", "db1"),
        "host": ("web1", "db1"),
        "name": ("web1", "db1"),
        "action": ("shell", "migrate"),
        "reason": ("CHG-7 add index",),
        "provider": ("acme", "partner"),
        "id_token": (native.id_token[:-8], ca.token(ALICE, WEB_CLIENT, "nonce-other")),
        "key": (native.key,),
        "salt": (native.salt,),
        "signature": (native.signature,),
    }
    with serving_sockets(ca, frozenset({os.getuid()})):
        found = Besieged(ca, known)
        yield Besieged(ca, known, found.signed())


@st.composite
def spoken(draw: st.DrawFn, besieged: Besieged, name: Socket) -> bytes:
    """A frame with a body of the right shape; most of its texts are known ones, and some parts are anything."""
    routes = ROUTES
    kind = draw(
        st.sampled_from([each for each in routes if name in routes[each].sockets and _name(each) not in SIGNING])
    )
    body = wire.encode(draw(instances(kind)))
    body = {name: _dressed(draw, each, besieged.known.get(name, ())) for name, each in body.items()}
    if body and draw(st.integers(0, 7)) == 7:
        body[draw(st.sampled_from(sorted(body)))] = draw(json_values)
    text = json.dumps({"v": 1, "id": draw(st.integers(1, 9)), "type": _name(kind), "body": body}).encode()
    return framed(draw(broken(text)) if draw(st.integers(0, 9)) == 9 else text)


def _name(kind: type[m.Message]) -> str:
    return wire.type_name(kind)


def _dressed(draw: st.DrawFn, value: Any, known: tuple[str, ...]) -> Any:
    if isinstance(value, list | tuple):
        return [_dressed(draw, each, known) for each in value]
    return draw(st.sampled_from((*known, *known, value))) if isinstance(value, str) else value


def fire(besieged: Besieged, name: Socket, sent: bytes) -> None:
    """Sends it all, reads what comes back, and looks at the damage."""
    with connect(besieged.ca, name) as connection:
        connection.settimeout(PATIENCE)
        with contextlib.suppress(OSError):  # turned out in the middle of it
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
        try:
            said = answers(connection)
        except ConnectionResetError:
            said = []
    assert [answer for answer in said if answer["body"].get("code") == "defect"] == []
    assert admin_client.call(besieged.ca.config.admin_socket, m.Health(), m.HealthReply).time == int(besieged.ca.time)
    assert besieged.signed() == besieged.before


@FIRE
@given(sent=st.binary(max_size=300), name=st.sampled_from(["web", "admin"]))
def test_noise(besieged: Besieged, name: Socket, sent: bytes) -> None:
    fire(besieged, name, sent)


@FIRE
@given(sent=st.lists(st.binary(max_size=100).map(framed), max_size=3).map(b"".join))
def test_frames_of_noise(besieged: Besieged, sent: bytes) -> None:
    fire(besieged, "web", sent)


@FIRE
@pytest.mark.parametrize("name", ["web", "admin"])
@given(data=st.data())
def test_messages_made_of_what_is_known(besieged: Besieged, name: Socket, data: st.DataObject) -> None:
    fire(besieged, name, b"".join(data.draw(st.lists(spoken(besieged, name), min_size=1, max_size=8))))
