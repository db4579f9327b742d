"""A plain OpenID client for the tests of the development provider: no redirect is followed unless a test says so."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import re
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

WEB, NATIVE = "ssh-jit-web", "ssh-jit-cli"
SECRET = "a-secret:with-50%-signs&co"
WEB_REDIRECT = "http://127.0.0.1:8080/auth/acme/callback"
NATIVE_REDIRECT = "http://127.0.0.1:49152/callback"
PEOPLE = {
    "alice": {"sub": "acme-1", "name": "Alice", "email": "alice@example.com", "groups": ["SRE"], "amr": ["pwd", "mfa"]},
    "carol": {"sub": "acme-3", "name": "Carol", "email": "carol@example.com", "email_verified": False},
}
CLIENTS = [
    {"id": WEB, "secret": SECRET, "redirect_uris": [WEB_REDIRECT]},
    {"id": NATIVE, "redirect_uris": ["http://127.0.0.1/callback"]},
]


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer."""

    status: int
    headers: dict[str, str]
    body: str

    @property
    def location(self) -> dict[str, str]:
        """The query of where it redirects to."""
        return dict(parse_qsl(urlsplit(self.headers["location"]).query, keep_blank_values=True))

    @property
    def json(self) -> dict[str, Any]:
        """The body as JSON."""
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass(slots=True)
class RelyingParty:
    """A client of the provider at ``issuer``, with one browser's cookies."""

    issuer: str
    client_id: str = NATIVE
    redirect_uri: str = NATIVE_REDIRECT
    secret: str | None = None
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    cookies: dict[str, str] = field(default_factory=dict)

    def send(
        self,
        method: str,
        target: str,
        form: object = None,
        headers: dict[str, str] | None = None,
        *,
        cookies: bool = True,
    ) -> Answer:
        """Sends one request."""
        connection = http.client.HTTPConnection(urlsplit(self.issuer).netloc, timeout=10)
        sent = dict(headers or {})
        if cookies and self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        body = None
        if form is not None:
            body = urlencode(form)  # type: ignore[arg-type]
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        connection.request(method, target, body, sent)
        response = connection.getresponse()
        text = response.read().decode()
        for value in response.headers.get_all("Set-Cookie") or []:
            name, _, rest = value.partition("=")
            self.cookies[name] = rest.partition(";")[0]
        connection.close()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, text)

    def wish(self, **changes: str | None) -> dict[str, str]:
        """The parameters of a good authorisation request, with changes; ``None`` leaves one out."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()
        good: dict[str, str | None] = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": "openid email profile groups",
            "state": "a state with / + and =",
            "nonce": "n-0S6_WzA2Mj",
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return {name: value for name, value in (good | changes).items() if value is not None}

    def authorize(self, **changes: str | None) -> Answer:
        """Opens the authorisation address."""
        return self.send("GET", "/authorize?" + urlencode(self.wish(**changes)))

    def click(self, person: str, **changes: str | None) -> Answer:
        """Opens the sign-in page and clicks a name ("" cancels)."""
        page = self.authorize(**changes)
        assert page.status == 200, page
        found = re.search(r'name="form_token" value="(\w+)"', page.body)
        assert found
        form = {"form_token": found[1], "person": person}
        return self.send("POST", "/authorize?" + urlencode(self.wish(**changes)), form)

    def exchange(self, code: str, /, **changes: str | None) -> Answer:
        """Sends the code to the token endpoint."""
        form: dict[str, str | None] = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": self.verifier,
        }
        headers = {}
        if self.secret is None:
            form["client_id"] = self.client_id
        else:
            headers["Authorization"] = basic(self.client_id, self.secret)
        form |= changes
        return self.send("POST", "/token", {k: v for k, v in form.items() if v is not None}, headers, cookies=False)

    def sign_in(self, person: str) -> dict[str, Any]:
        """The whole flow: the token endpoint's answer."""
        return self.exchange(self.click(person).location["code"]).json


def basic(user: str, password: str) -> str:
    """The Authorization header of RFC 6749, 2.3.1: both halves are form-encoded first."""
    pair = "&".join(urlencode({"": part})[1:] for part in (user, password)).replace("&", ":")
    return "Basic " + base64.b64encode(pair.encode()).decode()
