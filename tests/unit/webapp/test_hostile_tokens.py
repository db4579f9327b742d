"""The negative corpus: what no honest provider answers is refused with its code, by the front end and by the CA."""

from __future__ import annotations

import base64
import hmac
import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from joserfc.jwk import ECKey, RSAKey

from sshjit import ca_protocol as m
from sshjit.errors import SshJitError
from sshjit.limits import MAX_ID_TOKEN
from sshjit.providers import load
from sshjit_web.app import create_app
from sshjit_web.oidc import RelyingParty
from tests.support import in_process_ca
from tests.support.in_process_ca import KEY, FrontEnd
from tests.support.installation import ALICE
from tests.support.issuer import NATIVE_CLIENT, WEB_CLIENT, Issuer, listening

NOW = 1_800_000_000
HOSTED = 'required_claims = { hd = "example.com" }'
STRANGER = RSAKey.generate_key(2048, {"kid": "first"})
CURVE = ECKey.generate_key("P-256", {"kid": "first"})


@dataclass
class Hostile(Issuer):
    """Its token endpoint answers what the test wants, whatever the code."""

    reply: tuple[int, dict[str, str], bytes] = (200, {}, b"{}")
    seen: list[str] = field(default_factory=list)

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        if path != "/token":
            return super().answer(method, path, body)
        self.seen.append(body.decode())
        return self.reply


@dataclass
class World:
    front: FrontEnd
    issuer: Hostile
    app: Flask

    def by_the_front_end(self, make: Callable[[World, str], object]) -> str:
        """The code on the page after the provider answered so."""
        browser = self.app.test_client()
        begun = browser.get("/auth/acme/start")
        query = parse_qs(urlsplit(begun.location).query)
        made = make(self, query["nonce"][0])
        if isinstance(made, str):
            made = {"access_token": "a", "token_type": "Bearer", "id_token": made}
        body = made if isinstance(made, bytes) else json.dumps(made).encode()
        self.issuer.reply = (200, {"Content-Type": "application/json"}, body)
        page = browser.get(f"/auth/acme/callback?state={query['state'][0]}&code=c", follow_redirects=True)
        assert page.status_code >= 400, "signed in"
        assert "session" not in str(page.headers.getlist("Set-Cookie"))
        found = re.search(r"Code <code>(\w+)</code>", page.text)
        assert found is not None, page.text
        return found[1]

    def by_the_ca(self, make: Callable[[World, str], object]) -> str:
        """The code that the CA answers when the token comes to its socket."""
        made = make(self, "n")
        assert isinstance(made, str)
        with pytest.raises(SshJitError) as refused:
            self.front.ca.say(m.LoginWeb("acme", made, "n", "192.0.2.7"), m.LoginReply)
        return refused.value.code


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("hostile")
    with ExitStack() as stack:
        acme, partner = stack.enter_context(listening(Hostile())), stack.enter_context(listening(Issuer()))
        front = stack.enter_context(
            in_process_ca.front_end(
                folder, {"acme": acme, "partner": partner}, in_process_ca.policy(), settings={"acme": HOSTED}
            )
        )
        provider = load((front.ca.home / "providers.toml").read_text())["acme"]
        party = RelyingParty(
            "acme", provider, client_secret="s", origin=front.origin, key=KEY, clock=lambda: front.ca.time
        )
        app = create_app(
            front.config, front.authority, front.store, {"acme": party}, key=KEY, clock=lambda: front.ca.time
        )
        app.test_client_class = in_process_ca.client_of(front.origin)
        yield World(front, acme, app)


def encoded(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def claims(world: World, wanted: str, /, **changed: Any) -> dict[str, Any]:
    """Those of an honest sign-in, changed; ``None`` removes one."""
    honest = {
        "iss": world.issuer.url,
        "sub": ALICE.sub,
        "aud": WEB_CLIENT,
        "iat": NOW,
        "exp": NOW + 600,
        "nonce": wanted,
        "groups": ["SRE"],
        "hd": "example.com",
        **changed,
    }
    return {name: value for name, value in honest.items() if value is not None}


Make = Callable[[World, str], object]


def but(**changed: Any) -> Make:
    """Signed as it should be, with other claims."""
    return lambda world, nonce: world.issuer.sign(claims(world, nonce, **changed))


def headed(header: dict[str, Any], key: Any = None) -> Make:
    """Honest claims under another header, with the signature of a token whose header is allowed."""

    def make(world: World, nonce: str) -> str:
        _, body, signature = world.issuer.sign(claims(world, nonce), key=key).split(".")
        return f"{encoded({'alg': 'RS256', 'kid': 'first', **header})}.{body}.{signature}"

    return make


def unsigned(algorithm: str, signature: str) -> Make:
    return lambda world, nonce: f"{encoded({'alg': algorithm})}.{encoded(claims(world, nonce))}.{signature}"


def shared_secret(form: str) -> Make:
    """The public key as the secret of an HMAC."""

    def make(world: World, nonce: str) -> str:
        key = world.issuer.keys[0]
        secret = key.as_pem(private=False) if form == "pem" else key.as_der(private=False)
        text = f"{encoded({'alg': 'HS256', 'kid': 'first'})}.{encoded(claims(world, nonce))}"
        return f"{text}.{encoded(hmac.digest(secret, text.encode(), 'sha256'))}"

    return make


def mangled(change: Callable[[str], str]) -> Make:
    return lambda world, nonce: change(world.issuer.sign(claims(world, nonce)))


def raw_claims(text: str) -> Make:
    """Signed, with claims in exactly this text."""

    def make(world: World, nonce: str) -> str:
        honest = json.dumps(claims(world, nonce))[:-1]
        return _sign_raw(world, f"{honest}{text}".encode())

    return make


def _sign_raw(world: World, body: bytes) -> str:
    from joserfc import jws

    return jws.serialize_compact({"alg": "RS256", "kid": "first"}, body, world.issuer.keys[0])


def flipped(token: str) -> str:
    head, body, signature = token.split(".")
    return f"{head}.{body}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"


TWICE = b'{"alg":"RS256","alg":"none"}'
BAD = "bad_token"
TOKENS: dict[str, tuple[Make, str]] = {
    # who made it, and for whom
    "another issuer": (but(iss="https://evil.example"), "wrong_token_issuer"),
    "issuer with a slash": (lambda w, n: w.issuer.sign(claims(w, n, iss=f"{w.issuer.url}/")), "wrong_token_issuer"),
    "no issuer": (but(iss=None), "wrong_token_issuer"),
    "issuer is a list": (lambda w, n: w.issuer.sign(claims(w, n, iss=[w.issuer.url])), "wrong_token_issuer"),
    "the native client's audience": (but(aud=NATIVE_CLIENT), "wrong_audience"),
    "two audiences": (but(aud=[WEB_CLIENT, "other"]), "wrong_audience"),
    "audience twice": (but(aud=[WEB_CLIENT, WEB_CLIENT]), "wrong_audience"),
    "no audience": (but(aud=None), "wrong_audience"),
    "empty audience": (but(aud=[]), "wrong_audience"),
    "another audience with our azp": (but(aud="other", azp=WEB_CLIENT), "wrong_audience"),
    "our audience with another azp": (but(azp="other"), "wrong_audience"),
    "azp is a list": (but(azp=["other"]), "wrong_audience"),
    "another sign-in's nonce": (but(nonce="another"), "wrong_nonce"),
    "no nonce": (but(nonce=None), "wrong_nonce"),
    "nonce is a number": (but(nonce=7), "wrong_nonce"),
    # when
    "expired": (but(exp=NOW), "token_expired"),
    "no exp": (but(exp=None), "bad_token_time"),
    "exp is a text": (but(exp="2027"), "bad_token_time"),
    "exp is true": (but(exp=True), "bad_token_time"),
    "exp is beyond numbers": (but(exp=2**60), "bad_token_time"),
    "no iat": (but(iat=None), "bad_token_time"),
    "iat is old": (but(iat=NOW - 301), "token_not_new"),
    "iat is in the future": (but(iat=NOW + 60), "token_not_new"),
    "iat is negative": (but(iat=-1), "bad_token_time"),
    "not yet valid": (but(nbf=NOW + 60), "token_not_yet"),
    "signed in tomorrow": (but(auth_time=NOW + 86_400), "token_not_yet"),
    "auth_time is a text": (but(auth_time="now"), "bad_token_time"),
    # whom
    "no subject": (but(sub=None), "bad_subject"),
    "empty subject": (but(sub=""), "bad_subject"),
    "subject is a number": (but(sub=7), "bad_subject"),
    "subject is a list": (but(sub=["a-1"]), "bad_subject"),
    "subject with a line break": (but(sub="a-1\n"), "bad_subject"),
    "subject without an end": (but(sub="a" * 256), "bad_subject"),
    "e-mail is a list": (but(email=["alice@example.com"]), "bad_email"),
    "e-mail with a line break": (but(email="alice@example.com\r\nBcc: x@example.com"), "bad_email"),
    "an account of another organisation": (but(hd="evil.example"), "wrong_account"),
    "an account of no organisation": (but(hd=None), "wrong_account"),
    "an organisation that is a list": (but(hd=["example.com"]), "wrong_account"),
    # groups
    "groups as an object of values": (but(groups={"SRE": True}), "bad_groups"),
    "groups as a number": (but(groups=7), "bad_groups"),
    "a number among the groups": (but(groups=["SRE", 7]), "bad_groups"),
    "a list among the groups": (but(groups=[["SRE"]]), "bad_groups"),
    "a group with a line break": (but(groups=["SRE\nadmins"]), "bad_groups"),
    "too many groups": (but(groups=[f"{number}" for number in range(5001)]), "too_many_groups"),
    "a group without an end": (but(groups=["g" * 1025]), "bad_groups"),
    "groups elsewhere (Entra)": (but(groups=None, _claim_names={"groups": "src1"}), "groups_left_out"),
    "groups left out (Entra)": (but(groups=None, hasgroups=True), "groups_left_out"),
    # signature and header
    "alg none": (unsigned("none", ""), BAD),
    "alg none with a signature": (unsigned("none", "AAAA"), "wrong_algorithm"),
    "alg None": (unsigned("None", "AAAA"), "wrong_algorithm"),
    "alg HS256 by the public key (PEM)": (shared_secret("pem"), "wrong_algorithm"),
    "alg HS256 by the public key (DER)": (shared_secret("der"), "wrong_algorithm"),
    "an algorithm that is not allowed": (
        lambda w, n: w.issuer.sign(claims(w, n), {"alg": "PS256", "kid": "first"}),
        "wrong_algorithm",
    ),
    "alg of another kind of key": (
        lambda w, n: w.issuer.sign(claims(w, n), {"alg": "ES256", "kid": "first"}, CURVE),
        "wrong_key_type",
    ),
    "a logout token": (
        lambda w, n: w.issuer.sign(claims(w, n), {"alg": "RS256", "kid": "first", "typ": "logout+jwt"}),
        "wrong_token_type",
    ),
    "an access token": (
        lambda w, n: w.issuer.sign(claims(w, n), {"alg": "RS256", "kid": "first", "typ": "at+jwt"}),
        "wrong_token_type",
    ),
    "no alg": (headed({"alg": None}), "bad_token_header"),
    "signed by a stranger": (lambda w, n: w.issuer.sign(claims(w, n), key=STRANGER), "bad_signature"),
    "a key that is not published": (headed({"kid": "other"}), "unknown_key"),
    "a signature of something else": (mangled(flipped), "bad_signature"),
    "jwk in the header": (headed({"jwk": STRANGER.as_dict(private=False)}, STRANGER), "bad_token_header"),
    "jku in the header": (headed({"jku": "https://evil.example/keys"}), "bad_token_header"),
    "x5u in the header": (headed({"x5u": "https://evil.example/c"}), "bad_token_header"),
    "x5c in the header": (headed({"x5c": ["AAAA"]}), "bad_token_header"),
    "crit in the header": (headed({"crit": ["b64"], "b64": False}), "bad_token_header"),
    "b64 in the header": (headed({"b64": False}), "bad_token_header"),
    "zip in the header": (headed({"zip": "DEF"}), "bad_token_header"),
    "kid is a path": (headed({"kid": "../../etc/passwd"}), "unknown_key"),
    "kid is a number": (headed({"kid": 7}), "bad_token_header"),
    "a header with alg twice": (
        mangled(lambda t: f"{encoded(TWICE)}.{t.partition('.')[2]}"),
        "bad_json",
    ),
    # form
    "two parts": (mangled(lambda t: t.rpartition(".")[0]), BAD),
    "four parts": (mangled(lambda t: f"{t}.AAAA"), BAD),
    "five parts (encrypted)": (mangled(lambda t: f"{t}.AAAA.AAAA"), BAD),
    "padded": (mangled(lambda t: t.replace(".", "=.", 1)), "bad_base64"),
    "a blank in front": (mangled(lambda t: f" {t}"), "bad_base64"),
    "claims with sub twice": (raw_claims(', "sub": "b-2"}'), "bad_json"),
    "claims with NaN": (raw_claims(', "x": NaN}'), "bad_json"),
    "claims that go on": (raw_claims("} {}"), "bad_json"),
    "claims that nest without end": (raw_claims(', "x": ' + "[" * 5000 + "]" * 5000 + "}"), "bad_json"),
    "claims as a list": (lambda w, _: _sign_raw(w, b"[]"), BAD),
}
ANSWERS: dict[str, tuple[Make, str]] = {
    "no ID token": (lambda *_: {"access_token": "a", "token_type": "Bearer"}, "no_id_token"),
    "an ID token that is null": (
        lambda *_: {"access_token": "a", "token_type": "Bearer", "id_token": None},
        "no_id_token",
    ),
    "an ID token that is an object": (lambda *_: {"token_type": "Bearer", "id_token": {"sub": "a-1"}}, "no_id_token"),
    "an ID token that is too large": (lambda *_: "a" * (MAX_ID_TOKEN + 1), "token_too_large"),
    "HTML": (lambda *_: b"<html>try again</html>", "bad_provider_answer"),
    "a list": (lambda *_: [], "bad_provider_answer"),
    "nothing": (lambda *_: b"", "bad_provider_answer"),
    "our code is refused": (lambda *_: {"error": "invalid_grant"}, "sign_in_refused"),
    "our client is refused": (lambda *_: {"error": "invalid_client"}, "client_refused"),
}


KINDS = {
    "wrong_token_issuer": "it names another issuer, or none",
    "wrong_audience": "it is for another client, or for others too",
    "wrong_nonce": "it belongs to another sign-in",
    "wrong_token_type": "it is a token for something else",
    "wrong_account": "an account of another organisation",
    "token_expired": "its time is over",
    "token_not_new": "it was not made just now, by the provider's clock and ours",
    "token_not_yet": "it speaks of the future",
    "bad_token_time": "a time in it is none",
    "bad_subject": "it does not say who somebody is",
    "bad_email": "its address is none, and might break a header",
    "bad_groups": "its groups are no list of names",
    "too_many_groups": "it has more groups than are taken",
    "groups_left_out": "the provider has the groups elsewhere, which is not the same as none",
    "wrong_algorithm": "it is signed by a method that is not allowed, or by none",
    "wrong_key_type": "its method is allowed, and not that of the key it names",
    "bad_signature": "the key that it names did not sign it",
    "unknown_key": "it names a key that the provider does not publish",
    "bad_token_header": "its header brings a key, a rule or a field of its own, or lacks one",
    "bad_token": "it does not consist of three parts that say something",
    "bad_base64": "a part of it is not base64url",
    "bad_json": "what it says can be read in two ways, or in none",
    "no_id_token": "the answer holds no ID token",
    "token_too_large": "it is larger than any that is taken",
    "bad_provider_answer": "the answer is not what the protocol says",
    "sign_in_refused": "the provider refused the person's code",
    "client_refused": "the provider refused us",
}
"""Each code, and the one fault that all rows with it have."""


def test_each_kind_of_fault_has_a_code_of_its_own_and_rows_that_share_one_are_of_that_kind() -> None:
    assert {code for _, code in (*TOKENS.values(), *ANSWERS.values())} == set(KINDS)
    assert len(set(KINDS.values())) == len(KINDS)


def test_the_honest_token_is_taken(world: World) -> None:
    token = world.issuer.sign(claims(world, "n"))
    assert world.front.ca.say(m.LoginWeb("acme", token, "n", ""), m.LoginReply).login.roles == ("sre",)


def test_the_table_is_large_enough() -> None:
    assert len(TOKENS) + len(ANSWERS) >= 60


@pytest.mark.parametrize("name", TOKENS)
def test_t14_t16_a_hostile_token_is_refused_by_the_front_end_and_by_the_ca(world: World, name: str) -> None:
    make, code = TOKENS[name]
    before = world.front.ca.kinds().count("login")
    assert (world.by_the_front_end(make), world.by_the_ca(make)) == (code, code)
    assert world.front.ca.kinds().count("login") == before


@pytest.mark.parametrize("name", ANSWERS)
def test_t14_a_hostile_answer_of_the_token_endpoint_has_a_code_of_its_own(world: World, name: str) -> None:
    make, code = ANSWERS[name]
    assert world.by_the_front_end(make) == code
