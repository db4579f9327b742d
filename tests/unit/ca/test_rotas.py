"""Rotas: fetched in the background, believed by signature or digest, never older, durable, and in the log."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TypeVar

import pytest

from sshjit import ca_protocol as m
from sshjit import entries, events
from sshjit.errors import Invalid, Refused
from sshjit.policy import PolicyError
from sshjit.policy.rota import LARGEST, NAMESPACE
from sshjit_ca.cli import commands
from sshjit_ca.keys.locations import KeyLocations
from sshjit_ca.log import erasure
from sshjit_ca.report.period import Period
from sshjit_ca.service import background
from sshjit_ca.service.background import _fetch_rota
from sshjit_ca.source_config import RotaFile, rota_place
from sshjit_ca.sources.rotas import fetch_rota
from tests.support.installation import ALICE, BOB, CAROL, DANA, POLICY, Installation, make_key
from tests.support.issuer import Issuer
from tests.support.reports import made, rows
from tests.support.ticket_checker import TicketServer, ticket_server
from tests.support.waiting import PATIENCE

NOW = 1_800_000_000
DAY = 86400
RULES = POLICY.replace("[roles]", '[rotas.primary]\nlifetime = "8d"\n[roles]\non-call = ["rota:primary"]')
RULES = RULES.replace('roles = ["sre"]', 'roles = ["on-call", "sre"]').replace('"lead", count', '"on-call", count')


def when(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def rota_text(person: str = "carol", *, issued: int = NOW - 60, begin: int = NOW - 3600, end: int = NOW + DAY) -> str:
    return (
        f'version = 1\nrota = "primary"\nissued = {when(issued)}\n[[span]]\nfrom = {when(begin)}\nuntil = {when(end)}\n'
        f'people = ["acme/email:{person}@example.com"]\n'
    )


class Publisher:
    """Somebody who gives a rota out in a folder, signed by ssh-keygen."""

    def __init__(self, folder: Path) -> None:
        self.path, self.key = folder / "primary.toml", make_key(folder / "pager")

    @property
    def signer(self) -> str:
        return self.key.with_suffix(".pub").read_text().strip()

    def publish(self, text: str, *, key: Path | None = None, namespace: str = NAMESPACE) -> None:
        self.path.write_text(text)
        self.path.with_name("primary.toml.sig").unlink(missing_ok=True)
        command: list[str | Path] = [
            "ssh-keygen",
            "-Y",
            "sign",
            "-q",
            "-n",
            namespace,
            "-f",
            key or self.key,
            self.path,
        ]
        subprocess.run(command, check=True, capture_output=True)


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    return Publisher(tmp_path)


@pytest.fixture
def ca(publisher: Publisher, issuers: dict[str, Issuer], tmp_path: Path) -> Iterator[Installation]:
    home = tmp_path / "home"
    home.mkdir()
    sources = f'[rotas.primary]\nfile = "{publisher.path}"\nsigners = ["{publisher.signer}"]\n'
    installation = Installation(home, issuers, policy=RULES, sources=sources)
    installation.add_host("web1", env="staging")
    installation.add_host("db1", env="prod", role="db")
    yield installation
    installation.stop()


def look(ca: Installation) -> int:
    """Fetches, as the CA does by itself."""
    place = ca.config.rotas["primary"]
    return ca.authority.take_rotas({"primary": _fetch_rota("primary", place)})


def problem(ca: Installation) -> str:
    return ca.context.rota_problems.get("primary", "")


E = TypeVar("E", bound=events.Event)


def logged(ca: Installation, kind: type[E]) -> list[E]:
    return [event for row in ca.store.rows() if isinstance(event := entries.read(row.entry), kind)]


def test_who_is_on_call_has_the_role_until_the_turn_ends(ca: Installation, publisher: Publisher) -> None:
    carol = ca.native(CAROL)
    with pytest.raises(Refused):
        ca.ask(carol, "web1")
    publisher.publish(rota_text())
    assert look(ca) == 1
    reply = ca.ask(carol, "web1", certificate=False)
    assert reply.request.ends == NOW + 8 * 3600
    login = ca.say(m.ReadLogin(carol), m.LoginReply).login
    assert (login.roles, login.on_call[0].rota, login.on_call[0].end) == (("on-call",), "primary", NOW + DAY)
    ca.later(20 * 3600)
    reply = ca.ask(ca.native(CAROL), "web1")
    assert reply.request.ends == NOW + DAY, "the window ends with the turn"
    ca.later(4 * 3600)
    with pytest.raises(Refused) as caught:
        ca.ask(ca.native(CAROL), "web1")
    assert caught.value.code == "no_rule"


def test_what_a_rota_said_is_in_the_log_with_each_request_and_approval(ca: Installation, publisher: Publisher) -> None:
    publisher.publish(rota_text(end=NOW + 1800))
    look(ca)
    digest = hashlib.sha256(rota_text(end=NOW + 1800).encode()).hexdigest()
    (taken,) = logged(ca, events.RotaTaken)
    listed = subprocess.run(["ssh-keygen", "-lf", publisher.key], check=True, capture_output=True, text=True)
    by = listed.stdout.split()[1]
    assert taken == events.RotaTaken("primary", digest, NOW - 60, by, rota_text(end=NOW + 1800))
    request = ca.ask(ca.native(DANA), "db1").request
    assert ca.approve(ca.native(CAROL), request).ends == NOW + 1800, "an approver's turn ends what they approved"
    (asked,), (decided,) = logged(ca, events.Asked), logged(ca, events.Decided)
    assert asked.rotas == (events.RotaSaid("primary", digest, None),)
    assert decided.rotas == (events.RotaSaid("primary", digest, NOW + 1800),)


def test_stale_means_nobody(ca: Installation, publisher: Publisher) -> None:
    publisher.publish(rota_text(end=NOW + 30 * DAY))
    look(ca)
    ca.later(8 * DAY - 61)
    assert ca.ask(ca.native(CAROL), "web1").request.ends == NOW + 8 * DAY - 60
    ca.later(1)
    login = ca.native(CAROL)
    with pytest.raises(Refused):
        ca.ask(login, "web1")
    ca.ask(ca.native(ALICE), "web1")
    assert logged(ca, events.Asked)[-1].rotas == (events.RotaSaid("primary", "", None),)
    problems = ca.say(m.Status(), m.StatusReply, "admin").problems
    assert problems == ("the rota primary is stale or was never read",)


def test_the_last_good_text_is_there_after_a_restart(ca: Installation, publisher: Publisher) -> None:
    publisher.publish(rota_text())
    look(ca)
    publisher.path.unlink()
    ca.restart()
    assert look(ca) == 0
    assert "No such file or directory" in problem(ca)
    assert ca.ask(ca.native(CAROL), "web1").certificate is not None


def test_a_new_text_takes_the_place_of_the_last(ca: Installation, publisher: Publisher) -> None:
    publisher.publish(rota_text())
    assert (look(ca), look(ca)) == (1, 0)
    assert problem(ca) == "", "the same text again is no problem"
    publisher.publish(rota_text("alice", issued=NOW - 59))
    assert look(ca) == 1
    with pytest.raises(Refused):
        ca.ask(ca.native(CAROL), "web1")
    assert problem(ca) == ""


def test_who_is_on_call_no_more_by_a_new_text_has_no_session_either(ca: Installation, publisher: Publisher) -> None:
    """Nor goes on what they approved; what others have does."""
    publisher.publish(rota_text())
    look(ca)
    carol, dana = ca.native(CAROL), ca.native(DANA)
    own = ca.ask(carol, "web1").request
    approved = ca.approve(carol, ca.ask(dana, "db1").request)
    ca.say(m.SignUser(dana, approved.id), m.CertificateReply)
    other = ca.ask(ca.native(ALICE), "web1").request
    publisher.publish(rota_text("bob", issued=NOW))
    assert look(ca) == 1
    ended = {each.request: each for each in logged(ca, events.Closed)}
    assert ended.keys() == {own.id, approved.id}
    assert {each.state for each in ended.values()} == {"revoked"}
    assert ended[own.id].reason.startswith("the rota primary ends it: no rule allows ")
    assert ended[approved.id].reason == (
        "the rota primary ends it: the people who approved this may no longer approve it"
    )
    assert ended.keys() <= ca.context.state.ended.keys(), "the bundle tells hosts, which end the sessions"
    assert ca.context.request(other.id).state == "approved"


def test_a_turn_that_a_new_text_makes_shorter_ends_what_is_open_then(ca: Installation, publisher: Publisher) -> None:
    publisher.publish(rota_text())
    look(ca)
    request = ca.ask(ca.native(CAROL), "web1").request
    ca.authority.sweep()
    publisher.publish(rota_text(issued=NOW, end=NOW + 7200))
    assert look(ca) == 1
    ca.later(7199)
    ca.authority.sweep()
    assert logged(ca, events.Closed) == []
    ca.later(1)
    ca.authority.sweep()
    assert [(each.request, each.state) for each in logged(ca, events.Closed)] == [(request.id, "revoked")]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (rota_text("carol", issued=NOW - 61), "not issued after the one that is in force"),
        (rota_text("carol", issued=NOW - 60), "not issued after the one that is in force"),
        (rota_text("carol", issued=NOW + 301), "it was issued in the future"),
        (rota_text("carol").replace('rota = "primary"', 'rota = "other"'), "it is the rota other"),
        (rota_text("carol").partition("[[span]]")[0], "span: missing"),
        (rota_text("carol").partition("[[span]]")[0] + "span = []\n", "span: names nobody"),
        (rota_text("carol") + "more = 1\n", "unknown key"),
        (rota_text("carol") + "#" * LARGEST, f"has more than {LARGEST} bytes"),
        ("version = 1\n[", "primary.toml:2: "),
    ],
)
def test_what_is_not_taken_leaves_the_last_in_force(
    ca: Installation, publisher: Publisher, text: str, why: str
) -> None:
    publisher.publish(rota_text("bob"))
    look(ca)
    publisher.publish(text)
    assert look(ca) == 0
    assert problem(ca).startswith("the rota primary is not taken: ")
    assert why in problem(ca)
    assert problem(ca) in ca.say(m.Status(), m.StatusReply, "admin").problems
    assert ca.say(m.Health(), m.HealthReply).problems == (), "not for everybody to read"
    with pytest.raises(Refused):
        ca.ask(ca.native(CAROL), "web1")
    ca.ask(ca.native(BOB), "web1")


def test_an_old_rota_is_not_taken_again(ca: Installation, publisher: Publisher) -> None:
    """Whoever serves it keeps the text of last week, with its good signature."""
    publisher.publish(rota_text("carol", issued=NOW - 7 * DAY))
    old = publisher.path.read_bytes(), publisher.path.with_name("primary.toml.sig").read_bytes()
    look(ca)
    publisher.publish(rota_text("bob"))
    look(ca)
    publisher.path.write_bytes(old[0])
    publisher.path.with_name("primary.toml.sig").write_bytes(old[1])
    assert look(ca) == 0
    ca.restart()
    assert look(ca) == 0
    assert "not issued after" in problem(ca)


@pytest.mark.parametrize("how", ["other key", "other purpose", "other text", "none", "not a signature"])
def test_a_signature_that_is_wrong(ca: Installation, publisher: Publisher, how: str, tmp_path: Path) -> None:
    signature = publisher.path.with_name("primary.toml.sig")
    match how:
        case "other key":
            publisher.publish(rota_text(), key=make_key(tmp_path / "somebody"))
        case "other purpose":
            publisher.publish(rota_text(), namespace="file")
        case "other text":
            publisher.publish(rota_text())
            publisher.path.write_text(rota_text("bob"))
        case "none":
            publisher.path.write_text(rota_text())
        case _:
            publisher.path.write_text(rota_text())
            signature.write_text("good")
    assert look(ca) == 0
    expected = {"none": "No such file or directory", "not a signature": "not an armoured SSH signature"}
    assert expected.get(how, "its signature is by none of the keys that sign this rota") in problem(ca)
    assert logged(ca, events.RotaTaken) == []


def test_a_text_by_its_digest(publisher: Publisher) -> None:
    publisher.path.write_text(rota_text())
    pinned = hashlib.sha256(rota_text().encode()).hexdigest()
    place = rota_place(RotaFile(file=str(publisher.path), sha256=pinned), "x", plain_http=False)
    assert fetch_rota("primary", place).by == "sha256"
    publisher.path.write_text(rota_text("bob"))
    with pytest.raises(Invalid, match="its SHA-256 is not the one"):
        fetch_rota("primary", place)


def test_a_rota_over_https(publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publisher.publish(rota_text())
    folder = tmp_path / "tls"
    folder.mkdir()
    with ticket_server(folder) as server:
        place = rota_place(
            RotaFile(url=f"{server.url}/primary.toml", signers=(publisher.signer,)), "x", plain_http=False
        )
        with pytest.raises(Invalid, match="TLS certificate is not trusted") as away:
            fetch_rota("primary", place)
        assert away.value.hint == "see whether [rotas.primary] in ca.toml leads to it"
        monkeypatch.setenv("SSL_CERT_FILE", str(server.trust))
        serve(server, publisher)
        assert fetch_rota("primary", place).text == rota_text()
        assert [asked.path for asked in server.asked] == ["/primary.toml", "/primary.toml.sig"]
        server.act, server.status = None, 302
        with pytest.raises(Invalid, match="it answers 302"):
            fetch_rota("primary", place)


def serve(server: TicketServer, publisher: Publisher) -> None:
    def act(request: BaseHTTPRequestHandler) -> None:
        body = publisher.path.with_name(request.path.removeprefix("/")).read_bytes()
        request.send_response(200)
        request.end_headers()
        request.wfile.write(body)

    server.act = act


@pytest.mark.parametrize(
    ("file", "why"),
    [
        (RotaFile(), "give either 'url' or 'file'"),
        (RotaFile(url="https://x.example.com/a", file="/a"), "give either 'url' or 'file'"),
        (RotaFile(file="/a"), "give either 'signers'"),
        (RotaFile(file="/a", signers=("x",), sha256="0" * 64), "give either 'signers'"),
        (RotaFile(file="/a", sha256="0"), "'sha256' must be 64"),
        (RotaFile(file="a", sha256="0" * 64), "'file' must be an absolute path"),
        (RotaFile(url="http://x.example.com/a", sha256="0" * 64), "must begin with https://"),
        (RotaFile(url="https://x.example.com/a?b", sha256="0" * 64), "'url' must have no query"),
        (RotaFile(file="/a", signers=("ssh-ed25519 x",)), "x: "),
        (RotaFile(file="/a", sha256="0" * 64, every="1s"), "'every' must be from 10 s to 1 d"),
    ],
)
def test_what_is_wrong_with_the_place_of_a_rota(file: RotaFile, why: str) -> None:
    with pytest.raises(Invalid) as caught:
        rota_place(file, "x", plain_http=False)
    assert caught.value.code == "bad_config"
    assert why in caught.value.message


def test_old_rotas_are_forgotten_and_the_one_in_force_is_not(ca: Installation, publisher: Publisher) -> None:
    publisher.publish(rota_text("alice", issued=NOW - 120))
    look(ca)
    publisher.publish(rota_text())
    look(ca)
    ca.later(40 * DAY)
    ca.say(m.Forget(int(ca.time) - 31 * DAY, dry_run=False), m.ForgetReply, "admin")
    details = [row.entry.detail is not None for row in ca.store.rows() if row.entry.kind == "rota"]
    assert details == [False, True]
    assert "rota" in erasure.ERASABLE
    ca.restart()
    assert ca.context.state.rotas["primary"].text == rota_text()


def test_rota_check_says_what_is_wrong_and_whom_it_names(
    ca: Installation, publisher: Publisher, capsys: pytest.CaptureFixture[str]
) -> None:

    now = int(time.time())
    text = rota_text(issued=now, begin=now - 60, end=now + 3600)
    publisher.path.write_text(text)

    def check() -> int:
        return commands.run(["rota", "check", str(publisher.path)], ca.home / "ca.toml", "", KeyLocations())

    assert check() == 0
    said = capsys.readouterr().out
    assert "good: primary, issued " in said
    assert "signature: not signed yet; ssh-keygen -Y sign -n rota@ssh-jit" in said
    assert "on call now: acme/email:carol@example.com until " in said
    publisher.publish(text)
    assert check() == 0
    assert "signature: good, by SHA256:" in capsys.readouterr().out
    publisher.path.write_text(text + "x = 1\n")
    with pytest.raises(PolicyError, match=r"primary.toml:8: span\[0\].x: unknown key"):
        check()


def test_the_report_lists_whoever_a_rota_named_in_the_period(ca: Installation, publisher: Publisher) -> None:
    """Who was on call for an hour could have had it in that hour: the report errs on the side of too many."""
    publisher.publish(rota_text("carol"))
    look(ca)
    ca.native(CAROL), ca.native(BOB)
    ca.later(60)
    publisher.publish(rota_text("bob", issued=NOW + 30))
    look(ca)
    ca.later(3600)
    ca.native(ALICE)
    with made(ca, Period(NOW - 60, NOW + DAY)) as report:
        people = {who for row in rows(report, "reach") if row["rule"] == "staging" for who in row["people"]}
    assert people == {"a-1 (acme)", "b-2 (acme)", "c-3 (acme)"}


def test_the_running_ca_fetches_by_itself_and_goes_on_when_one_is_bad(ca: Installation, publisher: Publisher) -> None:
    publisher.publish(rota_text())

    async def run() -> None:
        fetching = asyncio.create_task(background.fetch_rotas(ca.authority, ca.config))
        while "primary" not in ca.context.state.rotas:
            assert not fetching.done()
            await asyncio.sleep(0.01)
        fetching.cancel()

    asyncio.run(asyncio.wait_for(run(), PATIENCE))
    assert ca.kinds()[-1] == "rota"
