"""A front end in this process at which people sign in at two providers, each with a token endpoint of its own."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from sshjit.providers import load
from sshjit_web.app import create_app
from sshjit_web.oidc import RelyingParty
from tests.support import in_process_ca
from tests.support.in_process_ca import KEY, FrontEnd, named
from tests.support.installation import ALICE, Person
from tests.support.issuer import WEB_CLIENT, Issuer, listening


@dataclass
class WebProvider(Issuer):
    """Gives a code to whoever comes, and for the code a token about the person for whom it was given."""

    front: FrontEnd | None = None
    name: str = ""
    codes: dict[str, tuple[Person, str]] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    """Claims that are said otherwise than an honest provider would."""
    page: tuple[int, dict[str, str], bytes] | None = None
    """What the token endpoint, and with ``everywhere`` every address, answers instead."""
    everywhere: bool = False
    pause: float = 0.0
    """Seconds that it takes to answer."""

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Documents, and the token endpoint."""
        time.sleep(self.pause)
        if self.page is not None and (self.everywhere or path == "/token"):
            return self.page
        if path != "/token":
            return super().answer(method, path, body)
        form = dict(parse_qsl(body.decode()))
        known = self.codes.pop(form["code"], None)
        if known is None:
            return 400, {"Content-Type": "application/json"}, b'{"error": "invalid_grant"}'
        assert self.front is not None
        person, nonce = known
        token = self.front.ca.token(person, WEB_CLIENT, nonce, **self.claims)
        text = json.dumps({"access_token": "a", "token_type": "Bearer", "id_token": token})
        return 200, {"Content-Type": "application/json"}, text.encode()


@dataclass
class World:
    """The front end and its providers by name."""

    front: FrontEnd
    app: Flask
    providers: dict[str, WebProvider]

    def browser(self) -> FlaskClient:
        """A new browser."""
        return self.app.test_client()

    def at_provider(
        self, browser: FlaskClient, person: Person = ALICE, *, provider: str = "acme", target: str = "/requests"
    ) -> str:
        """Begins a sign-in; the address to which the provider sends the browser back."""
        begun = browser.get(f"/auth/{provider}/start", query_string={"next": target})
        assert begun.status_code == 303, begun.text
        return self.answered(begun.location, person, provider)

    def answered(self, address: str, person: Person, provider: str = "acme") -> str:
        """Where the provider sends whoever signed in as ``person`` at ``address``."""
        query = parse_qs(urlsplit(address).query)
        code = f"code-{len(self.providers[provider].codes)}-{query['state'][0][:8]}"
        honest = named(Person(person.sub, person.groups, person.email, provider=provider))
        self.providers[provider].codes[code] = (honest, query["nonce"][0])
        return f"/auth/{provider}/callback?state={query['state'][0]}&code={code}"

    def signed_in(self, person: Person = ALICE, *, provider: str = "acme") -> FlaskClient:
        """A browser after a whole sign-in."""
        browser = self.browser()
        answer = browser.get(self.at_provider(browser, person, provider=provider))
        assert (answer.status_code, answer.location) == (303, "/requests"), answer.text
        return browser

    def who(self, browser: FlaskClient) -> str:
        """The name on the page; empty for nobody."""
        page = browser.get("/requests")
        return page.text.split("<bdi title=")[1].split(">")[1].split("<")[0] if page.status_code == 200 else ""


def code_of(page: TestResponse) -> str:
    """The error's code on a page."""
    return page.text.split("Code <code>")[1].split("</code>")[0]


@contextmanager
def web_sign_in(folder: Path) -> Iterator[World]:
    """The front end, with ``acme`` and ``partner``."""
    with ExitStack() as stack:
        providers = {name: stack.enter_context(listening(WebProvider(name=name))) for name in ("acme", "partner")}
        front = stack.enter_context(in_process_ca.front_end(folder, {**providers}, in_process_ca.policy()))
        for each in providers.values():
            each.front = front
        parties = {
            name: RelyingParty(
                name, known, client_secret="s", origin=front.origin, key=KEY, clock=lambda: front.ca.time
            )
            for name, known in load((front.ca.home / "providers.toml").read_text()).items()
        }
        app = create_app(front.config, front.authority, front.store, parties, key=KEY, clock=lambda: front.ca.time)
        app.test_client_class = in_process_ca.client_of(front.origin)
        yield World(front, app, providers)
