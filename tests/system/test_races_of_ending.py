"""Access that ends while somebody approves it, or draws from it: nothing slips through between the two."""

from __future__ import annotations

import base64
import json
import random
import subprocess
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sshjit import wire
from sshjit.api.bodies import LockBody, RevokeBody
from tests.support.front_ends import Client, Said, at, together
from tests.support.installation import ALICE, BOB, DANA
from tests.support.waiting import PATIENCE, wait_until
from tests.support.whole_installation import ERIN, Line, Site, kinds

ROUNDS = 3
IN_A_ROUND = 16
"""Requests whose deadline is about the same moment."""
CLOSE = 0.06
"""Seconds around a deadline in which most of the approvals arrive."""
ENDINGS = 5
"""Of each kind."""


def test_t24_t25_approve_against_expire(site: Site) -> None:
    """Whatever is said around the deadline: a request is approved before it, or nobody ever draws from it."""
    late = random.Random(24)  # noqa: S311 -- where to look, not a secret
    requests: dict[str, Said] = {}
    for number in range(ROUNDS):
        pending = together([partial(site.asked, DANA, site.host("brief")) for _ in range(IN_A_ROUND)])
        clients = [site.client((BOB, ERIN)[each % 2], (each + number) % 2) for each in range(IN_A_ROUND)]
        offsets = [-60.0, 0.4, *(late.uniform(-CLOSE, CLOSE) for _ in pending[2:])]
        said = together(
            [
                partial(click, client, request, offset)
                for client, request, offset in zip(clients, pending, offsets, strict=True)
            ]
        )
        assert (said[0].status, said[1].code) == (200, "wrong_state")
        drawn = together([partial(site.client(DANA, each % 2).draw, request) for each, request in enumerate(pending)])
        for request, answer, certificate in zip(pending, said, drawn, strict=True):
            assert (answer.status, answer.code) in ((200, ""), (409, "wrong_state"))
            assert certificate.status == (201 if answer.status == 200 else 409), certificate
            state = site.client(DANA, 1).read(request)["state"]
            assert state == ("approved" if answer.status == 200 else "expired")
            requests[request["id"]] = answer
    history = site.history()
    for name, answer in requests.items():
        lines, asked = history[name], history[name][0]
        told = kinds(lines)
        if answer.status == 200:
            assert (told["decision"], told["grant"], told["certificate"], told["close"]) == (1, 1, 1, 0)
            (grant,) = (line for line in lines if line.kind == "grant")
            assert grant.time < asked.time + asked.body["pending"]
            assert grant.body["ends"] == grant.time + 3600
        else:
            assert (told["decision"], told["grant"], told["certificate"]) == (0, 0, 0)
            assert all(line.body["state"] == "expired" for line in lines if line.kind == "close")  # written in its time


def click(client: Client, request: dict[str, Any], offset: float) -> Said:
    """Approves so many seconds after the deadline (the clock is the CA's own), or at once."""
    client.connect()
    at(request["pending_until"] + offset)
    return client.decide("approve", request)


# --------------------------------------------------------------------------------------- against drawing a certificate


def by_its_owner(site: Site, request: dict[str, Any], _sign_in: str) -> Said:
    """``ssh-jit done``."""
    return site.client(ALICE, 1).call("POST", f"/api/v1/requests/{request['id']}/end")


def by_revoking(site: Site, request: dict[str, Any], _sign_in: str) -> Said:
    """Somebody with the permission takes the grant away."""
    body = RevokeBody(request["id"], None, None, "it looks odd")
    return site.client(BOB, 1).call("POST", "/api/v1/revoke", wire.encode(body))


def by_ending_the_sign_in(site: Site, _request: dict[str, Any], sign_in: str) -> Said:
    """And with it everything that it drew."""
    body = RevokeBody(None, None, sign_in, "the laptop is lost")
    return site.client(BOB, 1).call("POST", "/api/v1/revoke", wire.encode(body))


def by_locking(site: Site, request: dict[str, Any], _sign_in: str) -> Said:
    """The host is locked."""
    body = LockBody("host", request["hosts"][0], "it was broken into")
    return site.client(BOB, 1).call("POST", "/api/v1/locks", wire.encode(body))


REFUSALS = {"wrong_state", "locked", "login_over", "login_needed"}


@pytest.mark.parametrize("end", [by_its_owner, by_revoking, by_ending_the_sign_in, by_locking])
def test_whatever_was_drawn_before_access_ended_is_revoked_and_nothing_is_drawn_after(
    site: Site, end: Callable[[Site, dict[str, Any], str], Said], tmp_path: Path
) -> None:
    drawn: dict[str, list[dict[str, Any]]] = {}
    sign_ins: dict[str, str] = {}
    for _ in range(ENDINGS):
        sign_in = site.sign_in(ALICE, 0)
        request = site.asked(ALICE, site.host("web"))
        drawers = [Client(site.fronts[0].port, site.tokens[ALICE.sub, 0]) for _ in range(4)]
        enough = threading.Semaphore(0)
        acts: list[Callable[[], list[dict[str, Any]]]] = [
            partial(until_refused, each, request, enough) for each in drawers
        ]
        acts.append(partial(after, enough, 6, partial(end, site, request, sign_in)))
        found = together(acts)
        drawn[request["id"]] = [certificate for each in found for certificate in each]
        sign_ins[request["id"]] = sign_in
        assert len(drawn[request["id"]]) >= 6
    other = of_another_grant(site)  # not everything is on the list
    lines = site.log()
    for name, certificates in drawn.items():
        last = next(line for line in lines if ends(line, name, sign_ins[name]))
        issued = {
            line.body["serial"]: line.index
            for line in lines
            if line.kind == "certificate" and line.body["request"] == name
        }
        assert issued.keys() == {certificate["serial"] for certificate in certificates}
        assert max(issued.values()) < last.index
    every = [certificate for certificates in drawn.values() for certificate in certificates]
    wait_until(lambda: revoked(site, tmp_path, [*every, other]) == {each["serial"] for each in every})


def ends(line: Line, request: str, sign_in: str) -> bool:
    """Whether this entry ended the access."""
    return (line.kind == "close" and line.body["request"] == request) or (
        line.kind == "logout" and line.body["login"] == sign_in
    )


def until_refused(client: Client, request: dict[str, Any], one_more: threading.Semaphore) -> list[dict[str, Any]]:
    """Draws certificates until no more are given."""
    found, until = [], time.monotonic() + PATIENCE
    while (said := client.draw(request)).status == 201:
        assert time.monotonic() < until
        found.append(said.body)
        one_more.release()
    assert said.code in REFUSALS, said
    return found


def after(some: threading.Semaphore, number: int, act: Callable[[], Said]) -> list[dict[str, Any]]:
    """Acts when so many were drawn."""
    for _ in range(number):
        assert some.acquire(timeout=PATIENCE)
    said = act()
    assert said.status in (200, 201), said
    return []


def of_another_grant(site: Site) -> dict[str, Any]:
    """One from a grant that goes on."""
    site.sign_in(ALICE, 0)
    said = site.client(ALICE, 0).draw(site.asked(ALICE, site.host("web")))
    assert said.status == 201
    return said.body


def revoked(site: Site, folder: Path, certificates: list[dict[str, Any]]) -> set[int]:
    """The serials of those that OpenSSH finds in the revocation list of the newest bundle."""
    bundle = json.loads(Client(site.fronts[1].port).call("GET", "/bundle").body["bundle"])
    (folder / "krl").write_bytes(base64.b64decode(bundle["krl"]))
    serials = {}
    for certificate in certificates:
        path = folder / f"{certificate['serial']}-cert.pub"
        path.write_text(certificate["text"] + "\n")
        serials[str(path)] = certificate["serial"]
    command = ["ssh-keygen", "-Q", "-f", str(folder / "krl"), *serials]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    verdicts = [line.rsplit(": ", 1)[1] for line in done.stdout.splitlines()]
    assert len(verdicts) == len(serials), done
    assert set(verdicts) <= {"ok", "REVOKED"}, done
    return {serial for serial, verdict in zip(serials.values(), verdicts, strict=True) if verdict == "REVOKED"}
