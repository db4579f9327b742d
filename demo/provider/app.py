"""The development provider's routes: discovery, keys, sign-in page, token and userinfo.

It decides what a browser sees and which cookies it gets. What OpenID Connect allows is decided in ``oidc.py``.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Any

from authlib.oauth2.rfc6749.errors import OAuth2Error
from flask import Flask, Response, jsonify, redirect, request
from joserfc.jwk import RSAKey
from werkzeug.wrappers import Response as AnyResponse

from demo.provider import page
from demo.provider.config import Config
from demo.provider.oidc import ALGORITHM, Server, discovery, protector
from demo.provider.store import SignIn, Store, now

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Cookies:
    """The provider's two cookies. Browsers share cookies over the ports of a host, so the names carry the id."""

    def __init__(self, config: Config) -> None:
        self._sign_in, self._browser = f"dev-{config.id}-sign-in", f"dev-{config.id}-browser"
        self._secret = secrets.token_bytes(32)

    @property
    def sign_in(self) -> str | None:
        """The cookie of a sign-in, as the browser sent it."""
        return request.cookies.get(self._sign_in)

    def set_sign_in(self, response: AnyResponse, value: str) -> None:
        """Signs the browser in."""
        response.set_cookie(self._sign_in, value, httponly=True, samesite="Lax")

    def form_token(self, browser: str) -> str:
        """What a form of this browser must carry: another site can make the browser post, but cannot know this."""
        return hmac.new(self._secret, browser.encode(), hashlib.sha256).hexdigest()

    def page(self, html: Any, status: int = 200) -> Response:
        """A page with a form: ``html`` is called with the form's token."""
        browser = request.cookies.get(self._browser) or secrets.token_urlsafe(32)
        response = Response(html(self.form_token(browser)), status=status)
        response.set_cookie(self._browser, browser, httponly=True, samesite="Lax")
        return response

    def posted_by_our_page(self) -> bool:
        """Whether the form's token belongs to this browser."""
        expected = self.form_token(request.cookies.get(self._browser, ""))
        return hmac.compare_digest(expected.encode(), request.form.get("form_token", "").encode())


class Site:
    """The provider's routes."""

    def __init__(self, app: Flask, config: Config) -> None:
        self.config, self.store, self.cookies = config, Store(config), Cookies(config)
        self.key = RSAKey.generate_key(2048, parameters={"use": "sig", "alg": ALGORITHM}, auto_kid=True)
        self.server, self.guard = Server(app, config, self.store, self.key), protector(self.store)

    def check_host(self) -> Response | None:
        """Refuses other names for this address, so that no page elsewhere can rebind its own name to it."""
        own = self.config.issuer.partition("://")[2]
        return None if request.host == own else Response("wrong host\n", status=421, mimetype="text/plain")

    def configuration(self) -> Response:
        """The discovery document."""
        return jsonify(discovery(self.config))

    def jwks(self) -> Response:
        """The public key."""
        return jsonify(keys=[self.key.as_dict(private=False)])

    def authorize(self) -> AnyResponse:
        """An authorisation request: an error, a code for who is signed in already, or the sign-in page."""
        known = _fresh(self.store.signed_in(self.cookies.sign_in))
        try:
            grant = self.server.get_consent_grant(end_user=known)
        except OAuth2Error as error:
            return self._error(error)
        if known is None or grant.prompt:
            target = request.full_path
            return self.cookies.page(lambda form: page.sign_in(self.config, grant.client.id, target, form))
        response: Response = self.server.create_authorization_response(grant.request, known, grant)
        return response

    def clicked(self) -> AnyResponse:
        """The form of the sign-in page, posted to the authorisation request's own address."""
        if not self.cookies.posted_by_our_page():
            return Response(page.trouble(self.config, "this form has expired; go back and try again"), status=403)
        if request.form.get("person") == "":
            return self._finish(None)
        person = self.config.people.get(request.form.get("person", ""))
        if person is None:
            return Response(page.trouble(self.config, "nobody of that name is here"), status=400)
        cookie, signed_in = self.store.sign_in(person)
        response = self._finish(signed_in)
        self.cookies.set_sign_in(response, cookie)
        return response

    def token(self) -> Response:
        """The token endpoint. Parameters travel in the body alone (RFC 6749, 3.2)."""
        if request.query_string:
            raise ValueError("parameters in the address")
        response: Response = self.server.create_token_response()
        return response

    def userinfo(self) -> Response:
        """The userinfo endpoint."""
        with self.guard.acquire("openid") as found:
            return jsonify(found.sign_in.person.about(found.scope))

    def home(self) -> Response:
        """Who is signed in in this browser."""
        known = self.store.signed_in(self.cookies.sign_in)
        return self.cookies.page(lambda form: page.home(self.config, known, form))

    def sign_out(self) -> AnyResponse:
        """Ends the browser's sign-in, so that the next one asks for a name again."""
        if self.cookies.posted_by_our_page():
            self.store.sign_out(self.cookies.sign_in)
        return redirect("/", code=303)

    def _finish(self, signed_in: SignIn | None) -> AnyResponse:
        """After the click: a code for ``signed_in``, or ``access_denied``."""
        try:
            wish = self.server.create_oauth2_request(None)
            grant = self.server.get_authorization_grant(wish)
            grant.validate_no_multiple_request_parameter(wish)
        except OAuth2Error as error:
            return self._error(error)
        response: Response = self.server.create_authorization_response(wish, signed_in, grant)
        if response.status_code == 302:
            response.status_code = 303  # after a POST: the browser fetches the next page by GET
        return response

    def _error(self, error: OAuth2Error) -> AnyResponse:
        """RFC 6749, 4.1.2.1: to the client if its address was verified, else to the person, and nowhere else."""
        error.state = request.args.get("state")
        if error.redirect_uri:
            response: Response = self.server.handle_error_response(None, error)
            return response
        return Response(page.trouble(self.config, error.get_error_description() or error.error), status=400)


def create_app(config: Config) -> Flask:
    """The provider as a WSGI application, with a signing key of its own."""
    app = Flask(__name__)
    site = Site(app, config)
    app.before_request(site.check_host)
    app.after_request(_harden)
    app.register_error_handler(ValueError, _malformed)
    app.add_url_rule("/.well-known/openid-configuration", view_func=site.configuration)
    app.add_url_rule("/jwks", view_func=site.jwks)
    app.add_url_rule("/authorize", view_func=site.authorize)
    app.add_url_rule("/authorize", view_func=site.clicked, methods=["POST"])
    app.add_url_rule("/token", view_func=site.token, methods=["POST"])
    app.add_url_rule("/userinfo", view_func=site.userinfo, methods=["GET", "POST"])
    app.add_url_rule("/", view_func=site.home)
    app.add_url_rule("/sign-out", view_func=site.sign_out, methods=["POST"])
    return app


def _harden(response: Response) -> Response:
    response.headers.extend((name, value) for name, value in HEADERS.items() if name not in response.headers)
    return response


def _malformed(error: ValueError) -> tuple[Response, int]:
    """Authlib raises ``ValueError`` for text that must not stand in an OAuth error, and for undecodable credentials."""
    del error
    return jsonify(error="invalid_request", error_description="malformed request"), 400


def _fresh(known: SignIn | None) -> SignIn | None:
    """A sign-in that is older than the client's ``max_age`` does not count."""
    max_age = request.args.get("max_age", "")
    if known is not None and max_age.isdecimal() and now() - known.auth_time > int(max_age):
        return None
    return known
