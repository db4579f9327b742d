"""Providers that tell groups and e-mail only at userinfo: the CA asks there itself, and nobody chooses the answer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sshjit import ca_protocol as m
from sshjit.errors import SshJitError
from sshjit.login import b64url
from sshjit_ca.oidc import provider_http
from tests.support.installation import ALICE, Installation
from tests.support.issuer import WEB_CLIENT, Issuer, listening

ACCESS = "an-access-token"


@dataclass
class Userinfo(Issuer):
    """Answers at ``/userinfo`` what ``told`` holds, to whoever shows the access token."""

    told: Any = field(default_factory=lambda: {"sub": ALICE.sub, "groups": ["SRE"], "email": ALICE.email})
    kind: str = "application/json"
    status: int = 200
    asked: list[str] = field(default_factory=list)

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        if path != "/userinfo":
            return super().answer(method, path, body)
        self.asked.append(path)
        text = self.told if isinstance(self.told, bytes) else json.dumps(self.told).encode()
        headers = {"Content-Type": self.kind, **({"Location": f"{self.url}/jwks"} if self.status == 302 else {})}
        return self.status, headers, text


@dataclass
class World:
    ca: Installation
    issuer: Userinfo

    def sign_in(self, access: str | None = ACCESS, **claims: Any) -> m.LoginView:
        """A sign-in whose ID token tells nothing of groups and names ``ACCESS``."""
        at_hash = b64url(hashlib.sha256(ACCESS.encode()).digest()[:16])
        bare = {"groups": None, "email": None, "email_verified": None, "name": None, "at_hash": at_hash}
        token = self.ca.token(ALICE, WEB_CLIENT, "n", **{**bare, **claims})
        return self.ca.say(m.LoginWeb("acme", token, "n", "192.0.2.7", access), m.LoginReply).login

    def refused(self, **claims: Any) -> SshJitError:
        with pytest.raises(SshJitError) as error:
            self.sign_in(**claims)
        assert "login" not in self.ca.kinds()
        return error.value


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with listening(Userinfo()) as issuer:
        issuer.metadata = {"userinfo_endpoint": f"{issuer.url}/userinfo"}
        ca = Installation(tmp_path, {"acme": issuer}, settings={"acme": 'claims_from = "userinfo"'})
        yield World(ca, issuer)
        ca.stop()


def test_groups_and_address_come_from_userinfo(world: World) -> None:
    world.issuer.told |= {"email_verified": True, "name": "Alice"}
    login = world.sign_in()
    assert (login.roles, login.verified, login.person.name) == (("sre",), (ALICE.email,), "Alice")
    assert login.remarks == ()


def test_what_is_absent_there_is_said_to_be_absent_there(world: World) -> None:
    world.issuer.told = {"sub": ALICE.sub}
    assert world.sign_in().remarks == ("the userinfo answer of acme has no claim 'groups'",)


@pytest.mark.parametrize("about", ["acr", "amr", "auth_time", "sid", "iss", "aud", "nonce"])
def test_userinfo_says_nothing_of_the_sign_in_itself(world: World, about: str) -> None:
    world.issuer.told |= {about: ["mfa"] if about == "amr" else "mfa"}
    login = world.sign_in()
    assert (login.mfa, login.said_factors) == (False, ())
    assert login.auth_time == int(world.ca.time) - 5


def test_userinfo_does_not_say_who_it_is_by_another_claim_either(world: World) -> None:
    """Entra ID: ``subject_claim = "oid"``; the ID token alone says it."""
    world.ca.stop()
    settings = world.ca.home / "providers.toml"
    settings.write_text(settings.read_text().replace("claims_from", 'subject_claim = "oid"\nclaims_from'))
    world.ca.start()
    first = world.sign_in(oid="o-1")
    world.issuer.told |= {"oid": "o-2"}
    assert world.sign_in(oid="o-1", jti="another").person.id == first.person.id
    assert world.sign_in(oid="o-2").person.id != first.person.id


@pytest.mark.parametrize("at_hash", [None, "", "AAAA", 7], ids=str)
def test_without_at_hash_an_access_token_is_anybodys(world: World, at_hash: object) -> None:
    error = world.refused(at_hash=at_hash)
    assert (error.code, "at_hash" in error.message) == ("token_not_bound", True)
    assert world.issuer.asked == []


def test_another_access_token_is_not_sent(world: World) -> None:
    """A stolen front end could send one with fewer scopes, or somebody else's."""
    assert world.refused(access="another-one").code == "token_not_bound"
    for none in (None, "", "a b\r\nc"):
        assert world.refused(access=none).code == "no_access_token"
    assert world.issuer.asked == []


def test_an_answer_about_somebody_else_is_refused(world: World) -> None:
    for sub in ("b-2", None, 7):
        world.issuer.told = {"sub": sub, "groups": ["SRE"]}
        assert world.refused().code == "wrong_userinfo"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"status": 401}, "userinfo_down"),
        ({"status": 302}, "userinfo_down"),
        ({"status": 500}, "userinfo_down"),
        ({"kind": "text/html", "told": b"<html>"}, "bad_userinfo"),
        ({"told": b"[]"}, "bad_userinfo"),
        ({"told": b"{"}, "bad_json"),
        ({"told": b'{"sub": "a-1", "groups": [], "groups": ["SRE"]}'}, "bad_json"),
        ({"told": b"{" + b" " * provider_http.MAX_DOCUMENT + b"}"}, "userinfo_down"),
        ({"kind": "application/jwt", "told": b"x.y.z"}, "bad_json"),
        ({"kind": "application/jwt", "told": b"a.b.c.d.e"}, "bad_token"),
    ],
    ids=str,
)
def test_answers_that_are_none(world: World, answer: dict[str, Any], code: str) -> None:
    for name, value in answer.items():
        setattr(world.issuer, name, value)
    assert world.refused().code in (code, "bad_base64")


def test_an_answer_that_takes_too_long_is_given_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.ca.context.published["acme"].refresh()
    monkeypatch.setattr(provider_http, "DEADLINE", -1)
    assert (error := world.refused()).code == "userinfo_down"
    assert "too long" in error.message


def test_a_signed_answer_is_verified_as_a_token(world: World) -> None:
    acme, claims = world.issuer, {"iss": world.issuer.url, "aud": WEB_CLIENT, "sub": ALICE.sub, "groups": ["SRE"]}
    acme.kind = "application/jwt"
    for wrong in ({"aud": "other"}, {"iss": "https://evil.example"}, {"aud": [WEB_CLIENT, "other"]}):
        acme.told = acme.sign({**claims, **wrong}).encode()
        assert world.refused().code == "wrong_userinfo"
    forged = acme.sign(claims).rpartition(".")[0] + "." + acme.sign({}).rpartition(".")[2]
    acme.told = forged.encode()
    assert world.refused().code == "bad_signature"
    acme.told = acme.sign(claims).encode()
    assert world.sign_in().roles == ("sre",)


@pytest.mark.parametrize("endpoint", [None, 7, "http://userinfo.example/u", "javascript:x"])
def test_an_endpoint_without_tls_is_none(world: World, endpoint: object) -> None:
    world.issuer.metadata = {"userinfo_endpoint": endpoint}
    assert world.refused().code == "userinfo_down"


def test_t19_the_access_token_is_not_kept(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.sign_in()
    world.ca.stop()
    stored = b"".join(path.read_bytes() for path in (world.ca.home / "ca").rglob("*") if path.is_file())
    world.ca.start()
    assert ALICE.email.encode() in stored
    assert ACCESS.encode() not in stored
    assert ACCESS not in caplog.text


def test_a_provider_of_id_tokens_is_not_asked(world: World) -> None:
    world.ca.stop()
    (world.ca.home / "providers.toml").write_text(
        (world.ca.home / "providers.toml").read_text().replace('claims_from = "userinfo"', "")
    )
    world.ca.start()
    assert world.sign_in(access=None, groups=["SRE"]).roles == ("sre",)
    assert world.issuer.asked == []
