"""Real identity providers on loopback, a browser that gets through their pages, and our CA, front end and client."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit

import requests

from demo.browser import Form, Page, _page
from sshjit import bundle, login, providers, sshkey
from sshjit import ca_protocol as m
from sshjit.providers import Provider
from sshjit_client.identity.browser import Loopback
from sshjit_client.identity.oidc import Attempt
from sshjit_web import migrate
from sshjit_web.app import create_app
from sshjit_web.config import parse
from sshjit_web.oidc import RelyingParty
from sshjit_web.store import Store, open_engine
from tests.providers import install
from tests.support.in_process_ca import InProcessCa, config_text, on_loopback
from tests.support.installation import Installation, make_key, ssh_sign
from tests.support.issuer import NATIVE_CLIENT, WEB_CLIENT, Issuer

SECRET = "p+q/r%41=&"
"""Of the web client: what ``openssl rand -base64`` makes, and a sign of percent."""
PASSWORD = "correct horse battery staple"
Fill = Callable[[Page], tuple[Form, dict[str, str]] | None]


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


ORIGIN = f"http://127.0.0.1:{free_port()}"
"""Of the front end; providers have it registered before it listens."""


@contextmanager
def process(command: list[Any], env: dict[str, str], folder: Path, log: Path) -> Iterator[None]:
    """A provider's process, from when it says that it is ready to the end of the block."""
    with log.open("wb") as written:
        running = subprocess.Popen(
            command, cwd=folder, env={"PATH": os.environ["PATH"], **env}, stdout=written, stderr=subprocess.STDOUT
        )
        try:
            late = time.monotonic() + 60
            while b"ready" not in log.read_bytes():
                assert running.poll() is None, log.read_text()
                assert time.monotonic() < late, log.read_text()
                time.sleep(0.05)
            yield
        finally:
            running.kill()
            running.wait()


def client(client_id: str, redirects: list[str], **more: Any) -> dict[str, Any]:
    """A registration, as oidc-provider and Canaille both read it."""
    code = {"grant_types": ["authorization_code"], "response_types": ["code"]}
    return {"client_id": client_id, "redirect_uris": redirects, **code, **more}


@contextmanager
def oidc_provider(folder: Path, port: int, *, conform: bool = True, keys: Any = None) -> Iterator[str]:
    """Npm's oidc-provider; ``conform``: as shipped, which puts groups and e-mail into userinfo alone."""
    web = client(
        WEB_CLIENT,
        [f"{ORIGIN}/auth/acme/callback"],
        client_secret=SECRET,
        post_logout_redirect_uris=[f"{ORIGIN}/sign-in"],
        backchannel_logout_uri=f"{ORIGIN}/auth/acme/logout",
        backchannel_logout_session_required=True,
    )
    native = client(
        NATIVE_CLIENT,
        ["http://127.0.0.1/callback"],
        application_type="native",
        token_endpoint_auth_method="none",
        backchannel_logout_uri=f"{ORIGIN}/auth/acme/logout",
        backchannel_logout_session_required=True,
    )
    settings = json.dumps({"port": port, "clients": [web, native], "conform": conform, "keys": keys})
    script = install.MODULES / "oidc_provider.mjs"
    shutil.copy(install.HERE / script.name, script)
    with process([install.node(), script], {"OIDC_PROVIDER": settings}, install.MODULES, folder / "provider.log"):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def canaille(folder: Path, port: int, native_port: int) -> Iterator[str]:
    """Canaille, which compares redirect addresses letter by letter."""
    scopes = {"scope": ["openid", "email", "profile", "groups"]}
    basic = {"token_endpoint_auth_method": "client_secret_basic", "client_secret": SECRET}
    web = client(
        WEB_CLIENT,
        [f"{ORIGIN}/auth/acme/callback"],
        client_name="pages",
        post_logout_redirect_uris=[f"{ORIGIN}/sign-in"],
        **basic,
        **scopes,
    )
    native = client(
        NATIVE_CLIENT,
        [f"http://127.0.0.1:{native_port}/callback"],
        client_name="laptops",
        client_secret="",
        token_endpoint_auth_method="none",
        **scopes,
    )
    settings = json.dumps({"port": port, "clients": [web, native], "password": PASSWORD})
    command = [install.PYTHON, install.HERE / "canaille_server.py"]
    with process(command, {"CANAILLE_TEST": settings}, folder, folder / "provider.log"):
        yield f"http://127.0.0.1:{port}"


def fill_in(page: Page) -> tuple[Form, dict[str, str]] | None:
    """What Alice types and clicks: at oidc-provider's interactions, and at Canaille's pages."""
    for form in page.forms:
        known = dict(form.fields)
        if known.get("prompt") == "login":
            return form, {"login": "alice", "password": PASSWORD}
        if known.get("prompt") == "consent":
            return form, {}
        if ("logout", "yes") in form.buttons:
            return form, {"logout": "yes"}
        for answer in ("accept", "logout"):  # the page of consent has both
            if ("answer", answer) in form.buttons:
                return form, {"answer": answer}
        if "csrf_token" in known:
            return form, {"login": "alice", "password": PASSWORD}
    return None


@dataclass
class Walker:
    """A browser that stops where it would leave the provider."""

    session: requests.Session = field(default_factory=requests.Session)
    fill: Fill = fill_in
    asked: int = 0
    """How often a form was filled in."""

    def walk(self, url: str, prefix: str) -> str | Page:
        """The address at ``prefix`` where the provider sends the person, or the page that it ends with."""
        method, data = "GET", None
        for _ in range(25):
            answer = self.session.request(method, url, data=data, allow_redirects=False, timeout=30)
            for cookie in self.session.cookies:
                cookie.secure = False  # browsers send such ones to their own machine without TLS; requests does not
            if answer.is_redirect:
                url, method, data = urljoin(url, answer.headers["Location"]), "GET", None
                if url.startswith(prefix):
                    return url
                continue
            page = _page(url, answer.status_code, answer.content)
            step = self.fill(page)
            if step is None:
                return page
            self.asked += 1
            form, typed = step
            url, method, data = urljoin(url, form.action or url), "POST", {**dict(form.fields), **typed}
        raise AssertionError(f"too many steps, the last at {url}")

    def callback(self, url: str, prefix: str) -> dict[str, str]:
        """The provider's answer."""
        reached = self.walk(url, prefix)
        assert isinstance(reached, str), f"{reached.url} {reached.status}\n{reached.text[-3000:]}"
        return dict(parse_qsl(urlsplit(reached).query))


@contextmanager
def pages(world: World) -> Iterator[InProcessCa]:
    """Our front end at ``ORIGIN``, before the CA of this world."""
    address = urlsplit(ORIGIN)
    text = config_text(world.folder, public_url=f'"{ORIGIN}"', port=str(address.port))
    config = parse(text, world.folder)
    engine = open_engine(config.database)
    migrate.upgrade(engine)
    store, authority = Store(engine), InProcessCa(world.ca, ticking=True)
    app = create_app(config, authority, store, {"acme": world.party()}, key=b"k" * 64, clock=authority.clock)
    try:
        with on_loopback(address.port or 0) as server:
            server.app = app
            yield authority
    finally:
        store.close()


@dataclass
class World:
    """Our side of one real provider."""

    ca: Installation
    provider: Provider
    folder: Path
    secret: str = SECRET

    def party(self, **changes: Any) -> RelyingParty:
        """The front end's client."""
        return RelyingParty(
            "acme",
            changes.pop("provider", self.provider),
            client_secret=changes.pop("secret", self.secret),
            origin=ORIGIN,
            key=b"k" * 32,
            clock=time.time,
        )

    def tick(self) -> None:
        """Brings the CA's clock to now."""
        self.ca.later(time.time() - self.ca.time)

    def web_message(self, walker: Walker, *, fresh: bool = False, party: RelyingParty | None = None) -> m.LoginWeb:
        """What the pages' client sends to the CA after a sign-in."""
        party, state = party or self.party(), secrets.token_urlsafe(32)
        answer = walker.callback(party.authorization_url(state, fresh=fresh), ORIGIN)
        assert answer["state"] == state
        tokens = party.tokens(state, answer)
        self.tick()
        return m.LoginWeb("acme", tokens.id_token, party.nonce(state), "192.0.2.7", tokens.access_token, fresh)

    def web(self, walker: Walker, *, fresh: bool = False, party: RelyingParty | None = None) -> m.LoginView:
        """Signs in through the pages' client."""
        return self.ca.say(self.web_message(walker, fresh=fresh, party=party), m.LoginReply).login

    def known(self) -> bundle.Provider:
        """The provider as the bundle tells it to laptops."""
        self.tick()
        self.ca.context.published["acme"].refresh()
        text = self.ca.say(m.ReadBundle(None, format=2), m.BundleReply).bundle
        assert text is not None
        return bundle.read(text, plain_http=True).providers[0]

    def native_message(self, walker: Walker, *, fresh: bool = False) -> m.LoginNative:
        """What the laptop's client sends to the CA after a sign-in, bound to a key."""
        known = self.known()
        key = make_key(self.folder / "laptop")
        public = sshkey.parse_line(key.with_suffix(".pub").read_text())
        with closing(Loopback(known.redirect_ports)) as loopback:
            attempt = Attempt.begin(known, loopback.redirect, public.blob, secrets.token_bytes(80), fresh=fresh)
            reached = walker.walk(attempt.address(), loopback.redirect)
            assert isinstance(reached, str), reached
            tokens = attempt.redeem(attempt.code(urlsplit(reached).query))
        self.tick()
        signature = ssh_sign(key, login.NAMESPACE, login.signed_text(tokens.id_token))
        salt = login.b64url(attempt.salt)
        return m.LoginNative(
            "acme", tokens.id_token, public.line, salt, signature, "192.0.2.7", tokens.access_token, fresh
        )

    def native(self, walker: Walker, *, fresh: bool = False) -> m.LoginView:
        """Signs in by the laptop's client, bound to a key."""
        return self.ca.say(self.native_message(walker, fresh=fresh), m.LoginReply).login

    def alive(self, login: m.LoginView) -> bool:
        """Whether this login counts."""
        return self.ca.context.state.logins[login.id].alive(int(self.ca.time))


@contextmanager
def world(folder: Path, url: str, *lines: str, native: str = "") -> Iterator[World]:
    """A CA that trusts the provider at ``url``; ``lines`` are further ones of its table in ``providers.toml``."""
    home = folder / "installation"
    home.mkdir(mode=0o700)
    scopes = '"openid", "email", "profile", "groups"'
    settings = "\n".join((*lines, "unsafe_http = true"))
    text = f"""
version = 1
[providers.acme]
title = "Acme"
issuer = "{url}"
email_domains = ["example.com"]
{settings}
native = {{ client_id = "{NATIVE_CLIENT}", scopes = [{scopes}]{native} }}
web = {{ client_id = "{WEB_CLIENT}", client_secret_file = "/dev/null", scopes = [{scopes}] }}
"""
    ca = Installation(home, {"acme": Issuer(url=url)}, time=time.time(), providers=text)
    try:
        yield World(ca, providers.load(text)["acme"], folder)
    finally:
        ca.stop()
