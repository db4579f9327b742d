"""How long a provider's keys are believed, how often it is asked, and what it answers that is not taken."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from joserfc.jwk import RSAKey

from sshjit.errors import Failed, Invalid, Refused, SshJitError
from sshjit.providers import NativeClient, Provider, WebClient
from sshjit_ca.oidc import id_tokens, provider_http, provider_keys
from sshjit_ca.oidc.provider_keys import ProviderKeys
from tests.support.issuer import Issuer, serving
from tests.support.waiting import wait_until


@dataclass
class Time:
    """A clock that the test moves; ``step`` seconds pass at each look."""

    now: float = 100.0
    step: float = 0.0

    def __call__(self) -> float:
        self.now += self.step
        return self.now


def keys_of(url: str, clock: Time) -> ProviderKeys:
    clients = NativeClient("cli", ("openid",)), WebClient("web", "/nowhere", ("openid",))
    return ProviderKeys("acme", Provider("Acme", url, *clients, algorithms=("RS256",), unsafe_http=True), clock)


@pytest.fixture
def acme() -> Iterator[Issuer]:
    with serving() as issuer:
        yield issuer


def why(keys: ProviderKeys, kid: str = "first") -> str:
    with pytest.raises(Failed) as down:
        keys.find(kid)
    assert down.value.code == "provider_down"
    return down.value.message


def test_t15_keys_are_believed_for_an_hour_and_one_that_was_withdrawn_no_longer(acme: Issuer) -> None:
    clock = Time()
    keys = keys_of(acme.url, clock)
    keys.find("first")
    acme.keys[0] = RSAKey.generate_key(2048, {"kid": "second", "use": "sig"})
    clock.now += provider_keys.LIFETIME - 1
    keys.find("first")
    assert (acme.fetched, keys.age()) == (1, provider_keys.LIFETIME - 1)
    clock.now += 1
    with pytest.raises(Invalid) as gone:
        keys.find("first")
    assert gone.value.code == "unknown_key"
    keys.find("second")


def test_t15_after_the_hour_a_provider_that_is_down_is_not_believed_from_memory(acme: Issuer) -> None:
    clock = Time()
    keys = keys_of(acme.url, clock)
    keys.find("first")
    acme.down = True
    clock.now += provider_keys.LIFETIME
    why(keys)
    acme.down = False
    why(keys)  # it is not asked again at once
    clock.now += provider_keys.PAUSE
    keys.find("first")


def test_t15_made_up_key_ids_do_not_make_the_ca_ask_again_and_again(acme: Issuer) -> None:
    clock = Time()
    keys = keys_of(acme.url, clock)
    for number in range(20):
        clock.now += 1
        with pytest.raises(Invalid):
            keys.find(f"made-up-{number}")
    assert acme.fetched <= 2
    clock.now += provider_keys.PAUSE
    with pytest.raises(Invalid):
        keys.find("made-up")
    assert acme.fetched == 3


@pytest.mark.parametrize("kid", ["first", None])
def test_t15_a_key_that_was_replaced_under_its_id_or_has_none_is_looked_for(acme: Issuer, kid: str | None) -> None:
    """Else every sign-in would fail for an hour; and signatures of strangers do not make the CA ask again and again."""
    clock = Time()
    keys = keys_of(acme.url, clock)
    provider = keys._provider
    header = {"alg": "RS256", **({"kid": kid} if kid else {})}
    id_tokens.verify_signed(old := acme.sign({}, header), provider, keys)
    acme.keys[0] = RSAKey.generate_key(2048, {"kid": "first", "use": "sig"})
    stranger = RSAKey.generate_key(2048, {"kid": "first"})
    with pytest.raises(Refused, match="signature is not valid"):
        id_tokens.verify_signed(acme.sign({}, header, stranger), provider, keys)
    id_tokens.verify_signed(acme.sign({}, header), provider, keys)
    assert acme.fetched == 2
    for token in [old] + [acme.sign({"n": number}, header, stranger) for number in range(20)]:
        clock.now += 1
        with pytest.raises(Refused, match="signature is not valid"):
            id_tokens.verify_signed(token, provider, keys)
    assert acme.fetched == 2
    clock.now += provider_keys.PAUSE
    with pytest.raises(Refused, match="signature is not valid"):
        id_tokens.verify_signed(old, provider, keys)
    assert acme.fetched == 3


def test_who_is_slow_holds_up_few_threads_and_nobody_whose_key_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight threads are there for all providers: made-up key ids at a slow one must not take them."""
    monkeypatch.setattr(provider_keys, "PATIENCE", 0.2)
    monkeypatch.setattr(provider_keys, "QUEUE", 0.1)
    with serving() as issuer:
        keys = keys_of(issuer.url, Time())
        keys.find("first")
        released, ended = threading.Event(), list[str]()

        def held(_: str) -> None:
            released.wait(30)
            raise Failed("provider_down", "it was slow")

        monkeypatch.setattr(keys, "_get", held)

        def look(number: int) -> None:
            with pytest.raises(SshJitError) as refused:
                keys.find(f"made-up-{number}")
            ended.append(refused.value.code)

        threads = [threading.Thread(target=look, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(ended) == 7, "the others wait for the one that asks")
        assert set(ended) == {"provider_down"}
        assert keys.find("first")["kid"] == "first"
        released.set()
        for thread in threads:
            thread.join()


def test_t14_a_key_of_another_algorithm_verifies_nothing(acme: Issuer) -> None:
    """The provider says of a key what it is for; the same numbers would verify other signatures too."""
    bare = RSAKey.generate_key(2048, {"kid": "first", "use": "sig"})
    acme.keys[0] = RSAKey.import_key({**bare.as_dict(private=True), "alg": "PS256"})
    keys = keys_of(acme.url, Time())
    token = acme.sign({}, {"alg": "RS256", "kid": "first"}, bare)
    with pytest.raises(Refused) as refused:
        id_tokens.verify_signed(token, keys._provider, keys)
    assert refused.value.code == "wrong_key_type"


def test_t14_keys_of_metadata_that_name_another_issuer_are_not_taken(acme: Issuer) -> None:
    for issuer in ("https://evil.example", f"{acme.url}/", None):
        acme.metadata = {"issuer": issuer}
        with pytest.raises(Failed) as unusable:
            keys_of(acme.url, Time()).find("first")
        assert unusable.value.code == "provider_settings"
    assert acme.fetched == 0


class Rogue(BaseHTTPRequestHandler):
    """A provider that sends elsewhere, or more than it should."""

    elsewhere = ""
    answer = b""
    pause = 0.0
    """Seconds before it says anything."""

    def do_GET(self) -> None:
        time.sleep(self.pause)
        self.send_response(302 if self.elsewhere else 200)
        if self.elsewhere:
            self.send_header("Location", self.elsewhere + self.path)
        self.send_header("Content-Length", str(len(self.answer)))
        self.end_headers()
        self.wfile.write(self.answer)

    def log_message(self, *_: Any) -> None:
        """Tests are quiet."""


@contextmanager
def rogue(**what: Any) -> Iterator[str]:
    """The address of such a provider."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Rogue,), what))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_provider_that_moved_is_not_followed(acme: Issuer) -> None:
    """The place that it points to would even say what it should."""
    with rogue(elsewhere=acme.url) as url:
        acme.metadata = {"issuer": url}
        assert "302 Found" in why(keys_of(url, Time()))
    assert acme.fetched == 0


def test_a_provider_that_never_ends_is_not_listened_to(acme: Issuer) -> None:
    with rogue(answer=b"[" + b" " * 4 * provider_http.MAX_DOCUMENT + b"]") as url:
        why(keys_of(url, Time()))
        late = Time(step=provider_http.DEADLINE)
        assert "too long" in why(keys_of(url, late))
        assert late.now <= 100 + 10 * provider_http.DEADLINE  # not after each of its pieces


def test_a_provider_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider_http, "TIMEOUT", 0.2)
    with rogue(answer=b"{}", pause=1.0) as url:
        assert "timed out" in why(keys_of(url, Time()))


def test_a_proxy_is_used_but_never_for_this_machine(acme: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    with rogue(answer=b"through the proxy") as url:
        monkeypatch.setenv("http_proxy", url)
        assert provider_http.fetch("http://id.example.com/", time.monotonic).body == b"through the proxy"
        keys_of(acme.url, Time()).find("first")


def test_keys_that_are_secrets_or_not_for_signing_are_none(acme: Issuer) -> None:
    acme.keys[0] = RSAKey.generate_key(2048, {"kid": "first", "use": "enc"})
    with pytest.raises(Invalid):
        keys_of(acme.url, Time()).find("first")
    acme.keys[0] = RSAKey.generate_key(2048, {"kid": "first", "use": "sig"})
    acme.keys.append(acme.keys[0])
    with pytest.raises(Invalid):  # which of the two it is nobody can say
        keys_of(acme.url, Time()).find("first")
    acme.keys.pop()
    acme.extra = ({"kty": "oct", "k": "AAAA", "kid": "secret"},)
    assert keys_of(acme.url, Time()).find(None)["kid"] == "first"
    with pytest.raises(Invalid):
        keys_of(acme.url, Time()).find("secret")
