"""``ssh-jit-web check``: tries each provider as sign-in would use it, without anybody who signs in.

What is tried: metadata, keys, the secret of the ``web`` client by a made-up code, and both clients' redirect addresses
and scopes by a silent sign-in (``prompt=none``), which a provider that takes them answers with ``login_required``.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit

import requests

from sshjit import names
from sshjit.discovery import Discovery
from sshjit.errors import SshJitError
from sshjit.providers import Provider
from sshjit_web import client_authentication, provider_transport
from sshjit_web.oidc import RelyingParty

SOME_PORT = 53217
"""Stands for any port, where the provider allows any."""
_SILENT = frozenset({"login_required", "interaction_required", "consent_required", "account_selection_required"})
_CODE_REFUSED = frozenset({"invalid_grant", "invalid_request"})
_FAULTS = (requests.RequestException, OSError, ValueError, TypeError, LookupError)


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the answer."""

    level: Literal["ok", "warning", "bad"]
    text: str
    hint: str = ""


def check(party: RelyingParty, provider: Provider, secret: str, roots: str | None) -> Iterator[Finding]:
    """What is wrong with one provider, and what is right."""
    try:
        discovery = party.discovery()
    except SshJitError as error:
        yield Finding("bad", error.message, error.hint)
        return
    yield Finding("ok", f"metadata of {provider.issuer}")
    with provider_transport.prepare(requests.Session(), roots) as session:
        yield from _keys(session, provider, discovery)
        yield from _secret(party, provider, secret)
        silent = party.authorization_url(secrets.token_urlsafe(8))
        yield from _client(session, "web", _changed(silent, prompt="none"), provider.web.scopes)
        for port in provider.native.redirect_ports or (SOME_PORT,):
            redirect = f"http://127.0.0.1:{port}/callback"
            scope = " ".join(provider.native.scopes)
            url = _changed(
                silent, prompt="none", client_id=provider.native.client_id, redirect_uri=redirect, scope=scope
            )
            yield from _client(session, "native", url, provider.native.scopes)


def _keys(session: requests.Session, provider: Provider, discovery: Discovery) -> Iterator[Finding]:
    if discovery.jwks_uri is None:
        yield Finding("bad", "the metadata have no jwks_uri")
        return
    try:
        keys = json.loads(session.get(discovery.jwks_uri, allow_redirects=False).content)["keys"]
        signing = [key for key in keys if key.get("use", "sig") == "sig"]
    except _FAULTS as error:
        yield Finding("bad", f"its keys cannot be read at {discovery.jwks_uri} ({type(error).__name__})")
        return
    kinds = sorted({str(key.get("alg") or key.get("kty")) for key in signing})
    fit = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
    wanted = {fit[name[:2]] for name in provider.algorithms}
    if not any(key.get("kty") in wanted and key.get("alg", provider.algorithms[0]) for key in signing):
        yield Finding(
            "bad", f"no key of it fits algorithms = {', '.join(provider.algorithms)}: it has {', '.join(kinds)}"
        )
    else:
        yield Finding("ok", f"keys: {', '.join(kinds)}")


def _secret(party: RelyingParty, provider: Provider, secret: str) -> Iterator[Finding]:
    if client_authentication.written_differently(provider.web.client_id, secret):
        text = "client id or secret has special characters, which providers read in two ways (token_endpoint_auth)"
        yield Finding("warning", text, client_authentication.HINT)
    try:
        party.tokens(secrets.token_urlsafe(8), {"code": "made-up", "iss": provider.issuer})
    except SshJitError as error:
        if error.code == "sign_in_refused":
            yield Finding("ok", "web: client id and secret are taken")
        else:
            yield Finding("bad", f"web: {error.message}", error.hint)
    else:
        yield Finding("bad", "web: the provider gave a token for a made-up code", "trust nothing that it says")


def _client(session: requests.Session, kind: str, url: str, scopes: tuple[str, ...]) -> Iterator[Finding]:
    query = dict(parse_qsl(urlsplit(url).query))
    redirect = query["redirect_uri"]
    try:
        answer = session.get(url, allow_redirects=False)
    except _FAULTS as error:
        yield Finding("bad", f"{kind}: its sign-in page does not answer ({type(error).__name__})")
        return
    target = answer.headers.get("Location", "")
    if not target.startswith(redirect):
        yield _not_redirected(kind, redirect, query["client_id"], answer.status_code)
        return
    refusal = dict(parse_qsl(urlsplit(target).query))
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


def _changed(url: str, **parameters: str) -> str:
    parts = urlsplit(url)
    query: Mapping[str, Any] = {**dict(parse_qsl(parts.query)), **parameters}
    return f"{url.partition('?')[0]}?{urlencode(query)}"
