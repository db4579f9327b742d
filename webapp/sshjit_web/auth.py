"""Sign-in and sign-out of browsers.

A sign-in under way lives in its state, bound to the browser's cookie, and is used once. Who somebody is, the
authority decides from the ID token; the views here carry it there.
"""

from __future__ import annotations

from functools import partial

from flask import Blueprint, Response, after_this_request, g, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from sshjit import addresses
from sshjit.api.outcomes import Done
from sshjit.api.session import LoginView
from sshjit.ca_protocol.logins import LoginReply, LoginWeb, ProviderLogout
from sshjit.errors import Invalid, Refused, SshJitError
from sshjit.limits import MAX_ID_TOKEN
from sshjit_web import errors, failed_sign_in, pending_sign_in, security
from sshjit_web.oidc import RelyingParty
from sshjit_web.pending_sign_in import PendingSignIn
from sshjit_web.services import services

REMEMBERED = 365 * 24 * 3600
"""Seconds for which a browser remembers where it signed in last."""
FRESH = "1"
"""In ``?fresh=1``: the person is to authenticate again."""
BY_ITSELF = ("pages.state",)
"""What open pages ask by themselves: nobody uses the session by it."""
MAX_ANSWER = 8000
"""Characters of the provider's answer in the address."""

blueprint = Blueprint("auth", __name__)
blueprint.before_request(security.check_page)
provider_blueprint = Blueprint("provider", __name__)
"""What providers call by themselves: no page, and no form of one."""


@blueprint.get("/sign-in")
def sign_in() -> AnyResponse:
    """The choice of the provider."""
    target = security.local_target(request.args.get("next"))
    fresh = FRESH if request.args.get("fresh") == FRESH else None
    last = request.cookies.get(security.cookies().provider)
    chosen = _party_for(request.args.get("email", ""))
    listed = sorted(
        services().parties.values(), key=lambda party: party.name != last
    )  # the last one, then as in the file
    # As a link, and no redirect: browsers hold where a form leads, redirects too, against the CSP.
    parties = listed if chosen is None else [chosen]
    by_address = chosen is None and len([party for party in parties if party.email_domains]) > 1
    asked = chosen is None and bool(request.args.get("email"))
    left = services().parties.get(request.args.get("left", ""))
    left = left if left is not None and left.has_end_session else None
    response = make_response(
        render_template(
            "sign_in.html",
            parties=parties,
            target=target,
            fresh=fresh,
            left=left,
            last=last,
            by_address=by_address,
            asked=asked,
            continued=target.startswith(security.CONTINUE),
        )
    )
    security.browser_token()
    return response


@blueprint.get("/auth/<provider>/icon")
def icon(provider: str) -> Response:
    """The provider's icon, for the choice."""
    party = _party(provider)
    if party.icon is None:
        raise Invalid("unknown_page", f"{party.title} has no icon")
    return Response(party.icon, mimetype=party.icon_type, headers={"Cache-Control": "public, max-age=3600"})


@blueprint.get("/auth/<provider>/start")
def start(provider: str) -> AnyResponse:
    """Sends the browser to the provider. A GET, because a form's redirect would need the provider in the CSP."""
    have, party = services(), _party(provider)
    fresh = request.args.get("fresh") == FRESH
    target = security.local_target(request.args.get("next"))
    pending = PendingSignIn(target, have.now() + pending_sign_in.LIFETIME, fresh)
    state = pending.seal(have.key, security.browser_token(), provider)
    return redirect(party.authorization_url(state, fresh=fresh), code=303)


@blueprint.get("/auth/<provider>/callback")
def callback(provider: str) -> AnyResponse:
    """Takes the provider's answer: state of this browser, once; code for ID token; the CA's verdict."""
    have, party = services(), _party(provider)
    answer = _answer()
    browser = request.cookies.get(security.cookies().browser, "")
    state, now = answer.get("state", ""), have.now()
    pending = pending_sign_in.unseal(state, have.key, browser, provider, now=now)
    if pending is None or have.store.is_state_used(state):
        raise _over()
    g.after_sign_in = pending.target
    try:
        tokens = party.tokens(state, answer)
        if not have.store.use_state(state, provider, now=now, expires=pending.expires):
            raise _over()
        nonce, address = party.nonce(state), request.remote_addr or ""
        message = LoginWeb(provider, tokens.id_token, nonce, address, tokens.access_token, pending.fresh)
        login = have.ca.call(message, LoginReply).login
    except SshJitError as error:
        return errors.page(error, errors.status_of(error))
    return _signed_in(login, pending.target)


@blueprint.get("/auth/<provider>/failed")
def failed(provider: str) -> AnyResponse:
    """Says why a sign-in failed, at an address that can be read again, unlike the provider's answer."""
    _party(provider)
    shown = failed_sign_in.unseal(request.args.get("why", ""), services().key, security.browser_token())
    if shown is None:
        raise _over()
    return errors.failed_sign_in(shown)


def _over() -> Invalid:
    return Invalid(
        "sign_in_over",
        "this sign-in has expired, was used already, or began in another browser",
        hint="start again from the sign-in page",
    )


@provider_blueprint.post("/auth/<provider>/logout")
def provider_logout(provider: str) -> tuple[str, int, dict[str, str]]:
    """The provider says that sessions are over (OpenID Connect Back-Channel Logout 1.0); the CA verifies it.

    It is the provider's server that asks, without cookies: whoever it is, without a token that the provider signed it
    ends nothing.
    """
    _party(provider)
    tokens = request.form.getlist("logout_token")
    headers = {"Cache-Control": "no-store"}
    try:
        if len(tokens) != 1 or not 0 < len(tokens[0]) <= MAX_ID_TOKEN:
            raise Invalid("bad_token", "there must be one logout_token")
        services().ca.call(ProviderLogout(provider, tokens[0]), Done)
    except SshJitError as error:
        errors.LOG.warning("a logout by the provider %s was not done: %s: %s", provider, error.code, error.message)
        return "", 503 if error.family == "failed" else 400, headers
    return "", 200, headers


def _signed_in(login: LoginView, target: str) -> AnyResponse:
    """A new session in place of an older one; tokens are never carried over from before the sign-in."""
    have, names = services(), security.cookies()
    token = have.sessions.open("page", login)
    old = request.cookies.get(names.session)
    response = redirect(target, code=303)
    left = min(login.expires - have.now(), have.sessions.limits.most)
    names.set(response, names.session, token, max_age=max(1, left))
    names.set(response, names.provider, login.person.provider, max_age=REMEMBERED)
    if old:
        try:
            have.sessions.end("page", old)
        except SshJitError as error:
            errors.LOG.warning("the earlier login was not ended: %s", error.code)
    return response


@blueprint.post("/sign-out")
def sign_out() -> AnyResponse:
    """Ends the session and its login. The cookie goes in any case; what else could be done, the answer says."""
    names = security.cookies()
    after_this_request(partial(_without_session, names))
    left = _provider_of_session()
    try:
        services().sessions.end("page", request.cookies.get(names.session))
    except SshJitError as error:
        if error.code != "login_needed":
            return errors.page(error, errors.status_of(error))
    return redirect(url_for("auth.sign_in", left=left), code=303)


@blueprint.get("/auth/<provider>/end")
def end_at_provider(provider: str) -> AnyResponse:
    """Sends the browser to the provider's own sign-out."""
    url = _party(provider).end_session_url()
    return redirect(url or url_for("auth.sign_in"), code=303)


def _provider_of_session() -> str | None:
    """The provider of this browser's session, if people can sign out there."""
    try:
        party = services().parties.get(current_login().person.provider)
    except SshJitError:
        return None
    return party.name if party is not None and party.has_end_session else None


def _without_session(names: security.Cookies, response: Response) -> Response:
    names.drop(response, names.session)
    return response


def current_login() -> LoginView:
    """The living login of this browser.

    Raises:
        Refused: ``login_needed`` or ``login_over``.

    """
    used = request.endpoint not in BY_ITSELF
    login = services().sessions.login("page", request.cookies.get(security.cookies().session), used=used)
    g.login = login
    return login


def _party_for(address: str) -> RelyingParty | None:
    """The one provider of the address's domain; it says where to sign in, and nothing of who somebody is."""
    domain = addresses.domain_of(addresses.exact(address.strip()) or "")
    fitting = [party for party in services().parties.values() if domain and domain in party.email_domains]
    return fitting[0] if len(fitting) == 1 else None


def _party(provider: str) -> RelyingParty:
    party = services().parties.get(provider)
    if party is None:
        raise Invalid("unknown_page", "there is no such identity provider")
    return party


def _answer() -> dict[str, str]:
    """The callback's query, each name once (RFC 6749, 3.1)."""
    if len(request.query_string) > MAX_ANSWER:
        raise Invalid("bad_answer", "the provider's answer is too long")
    if any(len(values) > 1 for values in request.args.listvalues()):
        raise Refused("bad_answer", "the provider's answer has a parameter twice")
    return request.args.to_dict()
