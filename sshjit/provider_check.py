"""Tries a provider as sign-in would use it, without anybody who signs in.

``ssh-jit-web check`` and ``ssh-jit-ca doctor`` both do that, and bring their own HTTP.

What is tried: metadata, keys, the secret of the ``web`` client by a made-up code, and both clients' redirect addresses
and scopes by a silent sign-in (``prompt=none``), which a provider that takes them answers with ``login_required``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qsl, urlencode, urlsplit

from sshjit import discovery as metadata
from sshjit import names, token_endpoint_auth
from sshjit.discovery import Discovery
from sshjit.errors import Invalid
from sshjit.login import b64url
from sshjit.providers import Provider

SOME_PORT = 53217
"""Stands for any port, where the provider allows any."""
_SILENT = frozenset({"login_required", "interaction_required", "consent_required", "account_selection_required"})
_OUR_FAULT = ("invalid_client", "unauthorized_client")
_KEY_TYPES = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
_NO_PKCE = b64url(b"0" * 32)
"""A challenge of the right form: nobody answers it."""
_ELSEWHERE = "the secret of `web` is the front end's; there: ssh-jit-web check"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the answer."""

    level: Literal["ok", "warning", "bad"]
    text: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """A request: a GET, or with a ``form`` a POST. No redirect is followed."""

    url: str
    form: Mapping[str, str] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whatever its status. ``location``: of a redirect, else empty."""

    status: int
    location: str
    body: bytes


class NoAnswerError(Exception):
    """Nobody answered; why, as a clause. ``hint``: what to do about it, if that is known."""

    def __init__(self, why: str, hint: str = "") -> None:
        super().__init__(why)
        self.hint = hint


Fetch = Callable[[Question], Answer]
"""Asks; raises ``NoAnswerError``."""


def check(provider: Provider, fetch: Fetch, *, web_redirect: str | None, secret: str | None) -> Iterator[Finding]:
    """What is wrong with one provider, and what is right.

    ``web_redirect``: where it sends browsers back to; ``None``: not known here. ``secret``: of the ``web`` client;
    ``None``: this process may not read it.
    """
    try:
        discovery = _metadata(provider, fetch)
    except NoAnswerError as error:
        yield Finding("bad", f"its metadata cannot be had: {error}", error.hint)
        return
    except Invalid as error:
        yield Finding("bad", error.message, error.hint)
        return
    yield Finding("ok", f"metadata of {provider.issuer}")
    yield from _keys(fetch, provider, discovery)
    yield from _secret(fetch, provider, discovery, web_redirect or "", secret)
    if web_redirect is None:
        yield Finding("warning", "web: its redirect address was not tried", "--front-end https://access.example.com")
    else:
        web = provider.web
        yield from _client(fetch, "web", _silent(discovery, web.client_id, web_redirect, web.scopes), web.scopes)
    native = provider.native
    for port in native.redirect_ports or (SOME_PORT,):
        url = _silent(discovery, native.client_id, f"http://127.0.0.1:{port}/callback", native.scopes)
        yield from _client(fetch, "native", url, native.scopes)


def _metadata(provider: Provider, fetch: Fetch) -> Discovery:
    url = metadata.discovery_url(provider.issuer)
    document = _object(fetch(Question(url)), url)
    discovery = metadata.parse_discovery(document, provider.issuer, plain_http=provider.unsafe_http)
    token_endpoint_auth.choose(provider, discovery)
    return discovery


def _object(answer: Answer, url: str) -> dict[str, object]:
    if answer.status != 200:
        raise NoAnswerError(f"{url} answers {answer.status}")
    try:
        value = json.loads(answer.body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise NoAnswerError(f"{url} answers something that is no JSON object")
    return value


def _keys(fetch: Fetch, provider: Provider, discovery: Discovery) -> Iterator[Finding]:
    if discovery.jwks_uri is None:
        yield Finding("bad", "its metadata has no jwks_uri")
        return
    try:
        listed = _object(fetch(Question(discovery.jwks_uri)), discovery.jwks_uri).get("keys")
    except NoAnswerError as error:
        yield Finding("bad", f"its keys cannot be read: {error}", error.hint)
        return
    keys = [key for key in listed if isinstance(key, dict)] if isinstance(listed, list) else []
    signing = [key for key in keys if key.get("use", "sig") == "sig"]
    kinds = sorted({str(key.get("alg") or key.get("kty")) for key in signing})
    if not any(_fits(key, provider.algorithms) for key in signing):
        has = names.show(", ".join(kinds) or "none", 200)
        yield Finding("bad", f"no key of it fits algorithms = {', '.join(provider.algorithms)}: it has {has}")
    else:
        yield Finding("ok", f"keys: {names.show(', '.join(kinds), 200)}")


def _fits(key: Mapping[str, object], algorithms: tuple[str, ...]) -> bool:
    return any(key.get("kty") == _KEY_TYPES[name[:2]] and key.get("alg", name) == name for name in algorithms)


def _secret(
    fetch: Fetch, provider: Provider, discovery: Discovery, redirect: str, secret: str | None
) -> Iterator[Finding]:
    if secret is None:
        yield Finding("ok", f"web: not tried here: {_ELSEWHERE}")
        return
    web = provider.web
    if token_endpoint_auth.written_differently(web.client_id, secret):
        text = "web: client id or secret has special characters, which providers read in two ways (token_endpoint_auth)"
        yield Finding("warning", text, token_endpoint_auth.HINT)
    headers, form = token_endpoint_auth.credentials(
        token_endpoint_auth.choose(provider, discovery), web.client_id, secret
    )
    form |= {
        "grant_type": "authorization_code",
        "code": "made-up",
        "redirect_uri": redirect,
        "code_verifier": _NO_PKCE,
    }
    try:
        answer = fetch(Question(discovery.token_endpoint, form, {"Accept": "application/json", **headers}))
        error = _error(answer)
    except NoAnswerError as fault:
        yield Finding("bad", f"web: its token endpoint does not answer: {fault}", fault.hint)
        return
    if error in _OUR_FAULT or answer.status == 401:
        hint = "client id and secret of `web` must be the registered ones; see also token_endpoint_auth"
        yield Finding("bad", f"web: {provider.title} refused our client id or secret", hint)
    elif answer.status == 200 and not error:
        yield Finding("bad", "web: the provider gave a token for a made-up code", "trust nothing that it says")
    elif answer.status >= 500 or not error:
        yield Finding("bad", f"web: its token endpoint answers {answer.status} to a code that it does not know")
    else:
        yield Finding("ok", "web: client id and secret are taken")


def _error(answer: Answer) -> str:
    """The protocol's error in an answer (RFC 6749, 5.2); empty if there is none."""
    try:
        value = json.loads(answer.body)
    except (ValueError, RecursionError):
        return ""
    error = value.get("error") if isinstance(value, dict) else None
    return error if isinstance(error, str) else ""


def _silent(discovery: Discovery, client_id: str, redirect: str, scopes: tuple[str, ...]) -> str:
    """The address of a sign-in at which nobody is asked anything."""
    endpoint = discovery.authorization_endpoint
    query = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect,
        "scope": " ".join(scopes),
        "state": "check",
        "nonce": "check",
        "code_challenge": _NO_PKCE,
        "code_challenge_method": "S256",
        "prompt": "none",
    }
    return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(query)}"


def _client(fetch: Fetch, kind: str, url: str, scopes: tuple[str, ...]) -> Iterator[Finding]:
    query = dict(parse_qsl(urlsplit(url).query))
    redirect = query["redirect_uri"]
    try:
        answer = fetch(Question(url))
    except NoAnswerError as error:
        yield Finding("bad", f"{kind}: its sign-in page does not answer: {error}", error.hint)
        return
    if not answer.location.startswith(f"{redirect}?"):
        yield _not_redirected(kind, redirect, query["client_id"], answer.status)
        return
    refusal = dict(parse_qsl(urlsplit(answer.location).query))
    code = refusal.get("error", "no error")
    if code in _SILENT:
        yield Finding("ok", f"{kind}: client id, {redirect} and scopes are taken")
    elif code == "invalid_scope":
        yield Finding("bad", f"{kind}: it refused the scopes {' '.join(scopes)}", "allow them there, or leave some out")
    else:
        detail = names.show(refusal.get("error_description", ""), 200)
        yield Finding("bad", f"{kind}: it answers {names.show(code)} {detail}")


def _not_redirected(kind: str, redirect: str, client_id: str, status: int) -> Finding:
    """A provider shows what it thinks of an unknown client or address to the person, and sends nobody there."""
    if status >= 400:
        text = f"{kind}: it refused the client {names.show(client_id)} or the redirect address {redirect}"
        return Finding("bad", f"{text} ({status})", "register exactly this address for exactly this client")
    text = f"{kind}: it does not answer a silent sign-in, so that {redirect} could not be tried"
    return Finding("warning", text, "sign in once by hand")
