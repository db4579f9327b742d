"""Approving by a passkey, in a real browser with its virtual authenticator: made, accepted, and refused."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, CDPSession, Page, Route, expect

from sshjit import ca_protocol as m
from tests.browser.conftest import Office
from tests.support import in_process_ca
from tests.support import soft_authenticator as soft
from tests.support.in_process_ca import FrontEnd, named
from tests.support.installation import BOB, DANA
from tests.support.issuer import serving
from tests.support.waiting import PATIENCE

GET = """async ([challenge, id, verification]) => {
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replace(/\\+/g, "-").replace(/\\//g, "_").replace(/=+$/, "");
  const signed = await navigator.credentials.get({ publicKey: {
    challenge: await crypto.subtle.digest("SHA-256", new TextEncoder().encode(challenge)), rpId: "localhost",
    userVerification: verification, allowCredentials: [{ type: "public-key", id: bytes(id) }] } });
  return ["clientDataJSON", "authenticatorData", "signature"].map((part) => text(signed.response[part]));
}"""
"""What a page of anybody could have an authenticator sign."""
BUTTON = "[data-passkey-button]"
STATE = "[data-passkey-state]"


@dataclass
class Phone:
    """Bob's browser, with an authenticator in it that has no passkey yet."""

    world: FrontEnd
    url: str
    context: BrowserContext
    page: Page
    cdp: CDPSession
    device: str

    def offer(self) -> tuple[str, m.PasskeyOfferReply]:
        """A terminal of Bob's begins; the browser makes the passkey on the page of that code."""
        ca = self.world.ca
        native = ca.native(named(BOB))
        code = ca.say(m.OfferPasskey(native), m.PasskeyOfferReply).code
        self.page.goto(f"/passkeys/new?code={code}")
        self.page.click(BUTTON)
        expect(self.page.locator("[data-fingerprint]")).to_be_visible()
        return native, ca.say(m.ReadPasskeyOffer(native, code), m.PasskeyOfferReply)

    def register(self, *, counts: bool = True) -> m.PasskeyView:
        """And signs for it; the operator accepts it."""
        ca = self.world.ca
        native, offer = self.offer()
        passkey = ca.say(soft.registration(ca, BOB, native, offer), m.PasskeysReply).passkeys[0]
        if counts:
            ca.say(m.AcceptPasskey(None, passkey.id, None, None), m.PasskeysReply, "admin")
        return passkey

    def asked(self) -> m.RequestView:
        """Another request that waits for a signed approval."""
        ca = self.world.ca
        ca.later(4000)
        return ca.ask(ca.native(named(DANA)), "db1", login="postgres").request

    def opened(self) -> m.RequestView:
        """And its page."""
        request = self.asked()
        self.sign_in()
        self.page.goto(f"/requests/{request.id}")
        return request

    def sign_in(self) -> str:
        """A new session in the browser: time passes, and sessions end."""
        login = self.world.ca.web(named(BOB))
        cookie = {"name": self.world.cookie, "value": self.world.session(login), "url": self.url}
        self.context.add_cookies([cookie])  # type: ignore[list-item]
        return login

    def credentials(self) -> list[dict[str, Any]]:
        """What the authenticator holds."""
        found: list[dict[str, Any]] = self.cdp.send("WebAuthn.getCredentials", {"authenticatorId": self.device})[
            "credentials"
        ]
        return found

    def count(self, counter: int) -> None:
        """Puts the passkey's counter where another copy of it would be."""
        (held,) = self.credentials()
        self.cdp.send(
            "WebAuthn.removeCredential", {"authenticatorId": self.device, "credentialId": held["credentialId"]}
        )
        credential = {**held, "signCount": counter}
        self.cdp.send("WebAuthn.addCredential", {"authenticatorId": self.device, "credential": credential})

    def approve(self) -> None:
        """Presses the button of the page."""
        self.page.click(BUTTON)

    def state(self, request: m.RequestView) -> str:
        """How the request stands."""
        return str(self.world.ca.context.state.requests[request.id].state)

    def refused(self, request: m.RequestView, words: str) -> None:
        """The page says why, and nothing was approved."""
        expect(self.page.locator("main")).to_contain_text(words)
        assert self.state(request) == "pending"
        assert self.world.ca.context.state.requests[request.id].decisions == ()

    def forge(self, request: m.RequestView, page: Page, verification: str = "required") -> tuple[dict[str, str], str]:
        """The fields of an approval whose signature some page got; the login that sends it."""
        login = self.sign_in()
        ca = self.world.ca
        asked = ca.say(m.ReadPasskeyChallenge(login, request.id, "", None), m.PasskeyChallengeReply)
        client, data, signature = page.evaluate(GET, [asked.text, asked.credentials[0], verification])
        names = {"passkey": asked.credentials[0], "client_data": client, "authenticator_data": data}
        return {**names, "signature": signature, "challenge": asked.challenge}, login

    def say(self, request: m.RequestView, fields: dict[str, str], login: str) -> str:
        """The CA's refusal of an approval with these fields; empty: it took it."""
        given = m.PasskeyAssertion(
            **{name: fields[name] for name in m.PasskeyAssertion.__slots__ if name != "credential"},
            credential=fields["passkey"],
        )
        (answer,) = self.world.ca.say_all([m.Approve(login, request.id, request.digest, "", None, None, given)])
        return "" if isinstance(answer, m.RequestReply) else answer.code  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[FrontEnd, str]]:
    """The pages on localhost, which is a site for passkeys, and a policy that takes them."""
    with ExitStack() as stack:
        issuers = {name: stack.enter_context(serving()) for name in ("acme", "partner")}
        server = stack.enter_context(in_process_ca.on_loopback())
        url = f"http://localhost:{server.server_port}"
        text = in_process_ca.policy().replace(
            '{ from = "lead", count = 1 }', '{ from = "lead", count = 1, signed = "passkey" }'
        )
        assert "passkey" in text
        sites = f'[passkeys]\nrp_id = "localhost"\norigins = ["{url}"]\n'
        folder = tmp_path_factory.mktemp("passkeys")
        front = in_process_ca.front_end(folder, issuers, text, time=time.time(), origin=url, sources=sites)
        world = stack.enter_context(front)
        server.app = world.app
        yield world, url


@pytest.fixture
def phone(world: tuple[FrontEnd, str], office: Office) -> Iterator[Phone]:
    """Bob's browser. At the end what it registered is removed."""
    front, url = world
    context = office.browser.new_context(base_url=url)
    context.set_default_timeout(PATIENCE * 1000)
    page = context.new_page()
    cdp = context.new_cdp_session(page)
    cdp.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
    options |= {"isUserVerified": True, "automaticPresenceSimulation": True}
    device = cdp.send("WebAuthn.addVirtualAuthenticator", {"options": options})["authenticatorId"]
    phone = Phone(front, url, context, page, cdp, device)
    phone.sign_in()
    yield phone
    for passkey in tuple(front.ca.context.state.passkeys):
        front.ca.say(m.RemovePasskey(None, passkey, "the test is over"), m.PasskeysReply, "admin")
    context.close()


def test_a_passkey_is_made_on_the_page_signed_for_in_the_terminal_and_approves(phone: Phone) -> None:
    complaints: list[str] = []
    phone.page.on("console", lambda said: complaints.append(said.text))
    phone.page.on("pageerror", lambda error: complaints.append(str(error)))
    ca = phone.world.ca
    native, offer = phone.offer()
    assert offer.made is not None
    expect(phone.page.locator("[data-fingerprint]")).to_have_text(offer.made.fingerprint)
    assert ca.context.state.passkeys == {}
    passkey = ca.say(soft.registration(ca, BOB, native, offer), m.PasskeysReply).passkeys[0]
    phone.page.goto("/passkeys")
    expect(phone.page.locator("main")).to_contain_text(passkey.fingerprint)
    ca.say(m.AcceptPasskey(None, passkey.id, None, None), m.PasskeysReply, "admin")
    request = phone.opened()
    phone.page.fill("#comment", "go on")
    phone.approve()
    expect(phone.page.locator("main")).to_contain_text("signed with a device-bound passkey")
    assert phone.state(request) == "approved"
    assert complaints == []


def test_another_text_than_the_ca_s_is_refused(phone: Phone) -> None:
    """A front end that was taken over may show and have signed what it likes; the CA has its own text."""
    phone.register()
    request = phone.opened()

    def lie(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), "text": answer.json()["text"].replace("CHG-7", "CHG-8")})

    phone.page.route("**/passkey", lie)
    phone.approve()
    phone.refused(request, "another text")


def test_a_passkey_that_is_not_registered_or_does_not_count_yet_is_refused(phone: Phone) -> None:
    first = phone.register()
    held = {credential["credentialId"] for credential in phone.credentials()}
    phone.world.ca.say(m.RemovePasskey(None, first.id, "lost"), m.PasskeysReply, "admin")
    options = {"authenticatorId": phone.device}
    (stranger,) = phone.credentials()
    phone.cdp.send("WebAuthn.clearCredentials", options)
    phone.register()
    (good,) = phone.credentials()
    assert good["credentialId"] not in held
    phone.cdp.send("WebAuthn.clearCredentials", options)
    phone.register(counts=False)
    (new,) = phone.credentials()
    for credential, words in ((stranger, "not registered for you"), (new, "does not count yet")):
        phone.cdp.send("WebAuthn.clearCredentials", options)
        phone.cdp.send("WebAuthn.addCredential", {**options, "credential": credential})
        request = phone.opened()
        name = credential["credentialId"].replace("+", "-").replace("/", "_").rstrip("=")
        phone.page.unroute_all()
        phone.page.route("**/passkey", offering(name))
        phone.approve()
        phone.refused(request, words)


def offering(credential: str) -> Callable[[Route], None]:
    """A front end that has this passkey sign, whatever the CA named."""

    def answer(route: Route) -> None:
        honest = route.fetch()
        route.fulfill(response=honest, json={**honest.json(), "credentials": [credential]})

    return answer


def test_what_is_signed_on_a_page_of_another_origin_is_refused(phone: Phone) -> None:
    """The RP id is the same: the browser signs, and says where."""
    phone.register()
    request = phone.asked()
    port = urlsplit(phone.url).port
    assert port is not None
    page = phone.page
    page.route("http://localhost:9/**", lambda route: route.fulfill(body="<p>evil</p>", content_type="text/html"))
    page.goto("http://localhost:9/")
    fields, login = phone.forge(request, page)
    assert phone.say(request, fields, login) == "passkey_refused"
    page.goto("/passkeys")
    fields, login = phone.forge(request, page)
    assert phone.say(request, fields, login) == ""


def test_a_replay_is_refused(phone: Phone) -> None:
    phone.register()
    request = phone.asked()
    phone.page.goto("/passkeys")
    fields, login = phone.forge(request, phone.page)
    assert phone.say(request, fields, login) == ""
    again = phone.asked()
    assert phone.say(again, fields, login) == "challenge_over"


def test_without_the_user_verified_it_is_refused_by_the_browser_and_by_the_ca(phone: Phone) -> None:
    phone.register()
    phone.cdp.send("WebAuthn.setUserVerified", {"authenticatorId": phone.device, "isUserVerified": False})
    request = phone.opened()
    phone.approve()
    phone.refused(request, "Nothing was approved.")
    fields, login = phone.forge(request, phone.page, "discouraged")
    assert phone.say(request, fields, login) == "passkey_refused"


def test_a_counter_that_went_back_is_refused_and_alarmed(phone: Phone) -> None:
    phone.register()
    phone.count(40)
    request = phone.opened()
    phone.approve()
    expect(phone.page.locator("main")).to_contain_text("signed with a device-bound passkey")
    request = phone.opened()
    phone.count(7)
    phone.approve()
    phone.refused(request, "counter went back")
    assert "passkey-refusal" in phone.world.ca.kinds()


def test_a_counter_that_is_always_zero_is_accepted(phone: Phone) -> None:
    """As synced passkeys have it: made and used twice, and never counting."""
    device = soft.Authenticator(origin=phone.url, rp_id="localhost")
    ca = phone.world.ca
    native, offer = soft.make(ca, named(BOB), device)
    passkey = ca.say(soft.registration(ca, BOB, native, offer), m.PasskeysReply).passkeys[0]
    ca.say(m.AcceptPasskey(None, passkey.id, None, None), m.PasskeysReply, "admin")
    key = soft.exported(device)
    for _ in range(2):
        options = {"authenticatorId": phone.device}
        phone.cdp.send("WebAuthn.clearCredentials", options)
        credential = {**key, "rpId": "localhost", "userHandle": "AAAA", "isResidentCredential": True, "signCount": -1}
        credential |= {"backupEligibility": True, "backupState": True}
        phone.cdp.send("WebAuthn.addCredential", {**options, "credential": credential})
        request = phone.opened()
        phone.approve()
        expect(phone.page.locator("main")).to_contain_text("signed with a synced passkey")
        assert phone.state(request) == "approved"
        assert ca.context.state.passkeys[passkey.id].counter == 0


def test_without_javascript_the_page_says_how_else_to_approve(phone: Phone, office: Office) -> None:
    phone.register()
    request = phone.asked()
    login = phone.world.ca.web(named(BOB))
    context = office.browser.new_context(base_url=phone.url, java_script_enabled=False)
    cookie = {"name": phone.world.cookie, "value": phone.world.session(login), "url": phone.url}
    context.add_cookies([cookie])  # type: ignore[list-item]
    page = context.new_page()
    page.goto(f"/requests/{request.id}")
    expect(page.locator("main")).to_contain_text("needs JavaScript")
    expect(page.locator("main")).to_contain_text(f"ssh-jit approve {request.id}")
    expect(page.locator(BUTTON)).to_be_hidden()
    context.close()
