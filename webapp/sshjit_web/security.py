"""What forms and pages have to satisfy: cookies, form tokens, the right host, limits.

Cookies count for pages alone; the API takes bearer tokens alone. So a form needs the token of its cookie, and the API
needs none.
"""

from __future__ import annotations

import hmac
import re
import secrets
from functools import partial
from urllib.parse import urlsplit

from flask import Flask, Response, after_this_request, g, redirect, request, url_for
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wrappers import Response as AnyResponse

from sshjit.errors import Failed, Invalid, Refused
from sshjit.limits import MAX_ID_TOKEN
from sshjit_web.config import WebConfig
from sshjit_web.drafts import Draft
from sshjit_web.services import services

MAX_BODY = MAX_ID_TOKEN + 32 * 1024
"""Bytes of any request's body: the largest ID token, and what is sent with it."""
MAX_TARGET = 400
"""Characters of the address to return to after a sign-in."""
FORMS = {"pages.ask": "pages.new_request", "pages.take": "pages.break_glass"}
"""Endpoints that take a form which a link can fill in, and the page of the form."""
SIGN_IN_ANSWER = "auth.callback"
"""The endpoint that the provider sends browsers to."""
SIGN_IN_FAILED = "auth.failed"
"""The one that says why a sign-in failed."""
CONTINUE = "/continue/"
"""Begins the addresses that bring back what was typed."""
_PATH = re.compile(r"/|(?:/(?!\.)[A-Za-z0-9._~-]+)+/?")
"""Paths that browsers and servers read alike: without escapes, dots that lead elsewhere, or ``//`` before a host."""
_SIGN_IN_STEPS = ("auth", "sign-in", "sign-out")
"""Begin addresses of the sign-in itself: a provider's answer works once, and no sign-in may lead to the next one."""
UNKEPT = ("form_token", "dry", "again", "confirmed", "form")
"""Fields of forms that are not filled in again."""
STATIC = "public, max-age=31536000, immutable"
"""Static files keep for ever: their address changes with their content."""


class Cookies:
    """The names and attributes of our cookies.

    ``session``; ``browser``, which binds sign-ins under way; and ``provider``, where this browser signed in last.
    """

    def __init__(self, config: WebConfig) -> None:
        self._secure = config.https
        # Browsers share cookies between the ports of a host: without TLS the name carries the port.
        name = "__Host-ssh-jit" if config.https else f"ssh-jit-{urlsplit(config.origin).port or 80}"
        self.session = name
        self.browser = f"{name}-browser"
        self.provider = f"{name}-provider"

    def set(self, response: AnyResponse, name: str, value: str, *, max_age: int | None = None) -> None:
        """Sets a cookie that scripts and other sites do not see."""
        response.set_cookie(name, value, max_age=max_age, path="/", secure=self._secure, httponly=True, samesite="Lax")

    def drop(self, response: AnyResponse, name: str) -> None:
        """Takes a cookie back."""
        response.delete_cookie(name, path="/", secure=self._secure, httponly=True, samesite="Lax")


def install(app: Flask) -> None:
    """Sets the limits, and lets static files be kept."""
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    app.config["MAX_FORM_MEMORY_SIZE"] = MAX_BODY
    app.after_request(_keep_static)


def _keep_static(response: Response) -> Response:
    if request.endpoint == "static" and response.status_code == 200:
        response.headers["Cache-Control"] = STATIC
    return response


def cookies() -> Cookies:
    """The cookies of this installation."""
    return Cookies(services().config)


def check_page() -> AnyResponse | None:
    """Before every page and form: the right host, and for forms the right browser, from a page of ours.

    Raises:
        Invalid: ``wrong_host``.
        Refused: ``bad_form`` for a form of another site or without its token.

    """
    origin = services().config.origin
    if request.host != urlsplit(origin).netloc:
        if request.method in ("GET", "HEAD"):
            return redirect(origin + request.full_path.rstrip("?"), code=307)
        raise Invalid("wrong_host", "this address is not the front end's", hint=f"open {origin}")
    if request.method not in ("GET", "HEAD", "OPTIONS"):
        _check_form()
    return None


def _check_form() -> None:
    ours = _is_ours()
    expected = services().form_token(form_cookie()).encode()
    given = request.form.get("form_token", "").partition(".")[0].encode("utf-8", "replace")
    if not ours or not form_cookie() or not hmac.compare_digest(expected, given):
        raise _bad_form(ours=ours)


def _bad_form(*, ours: bool) -> Refused:
    if not ours:
        return Refused("bad_form", "this form was sent from another site", hint="open the page here and send its form")
    kept = return_address().startswith(CONTINUE)
    hint = "sign in and we'll bring back what you typed" if kept else "sign in and send the form again"
    return Refused("bad_form", "you were signed out", hint=hint)


def return_address() -> str:
    """Where to come back to after a sign-in: this page, or one that brings back what was typed into its form.

    A provider's answer works once: from there it is the page for which somebody signed in.
    """
    if request.blueprint == "auth":
        return local_target(g.get("after_sign_in") or request.args.get("next"))
    if request.method == "GET":
        address = request.full_path.rstrip("?")
        return local_target(address if len(address) <= MAX_TARGET else keep_draft() or request.path)
    request_id = (request.view_args or {}).get("request_id")
    page = request.path if request_id is None else url_for("pages.show_request", request_id=request_id)
    page = url_for(FORMS[request.endpoint]) if request.endpoint in FORMS else page
    return keep_draft() or page


def local_target(wish: str | None) -> str:
    """Where to go after the sign-in: a page of ours, else the start page. Never another site, nor another sign-in."""
    home = url_for("pages.home")
    if not wish or len(wish) > MAX_TARGET or not wish.isascii() or not wish.isprintable() or "\\" in wish:
        return home
    path = re.split("[?#]", wish, maxsplit=1)[0]
    return home if _PATH.fullmatch(path) is None or path.split("/")[1] in _SIGN_IN_STEPS else wish


def keep_draft(form: str = "") -> str:
    """Keeps what this request carries, once, and returns the address that brings it back; empty if it cannot be kept.

    A form is not kept if another site sent it, or if nobody knows whose it is. ``form``: the one of ``FORMS`` whose
    fields these are, if it is not this one.
    """
    if "draft" not in g:
        g.draft = _keep_draft(form)
    return str(g.draft)


def _keep_draft(form: str) -> str:
    have, endpoint = services(), request.endpoint or ""
    asked = request.method == "GET"
    fields = list(request.args.items(multi=True)) if asked else _sent()
    if asked:
        endpoint = next((form for form, page in FORMS.items() if page == endpoint), "")
    elif form:
        endpoint = form if form in FORMS else ""
    if not endpoint.startswith("pages.") or not (asked or _is_ours()):
        return ""
    author = _author(fields)
    if not (asked or author):
        return ""
    kept = tuple((name, value) for name, value in fields if name not in UNKEPT and value)
    args = {name: str(value) for name, value in (request.view_args or {}).items()}
    draft_id = new_token()
    try:
        draft = Draft(endpoint, args, kept, author)
        done = have.drafts.keep(draft_id, browser_token(), draft, now=have.now())
    except Failed:
        return ""
    return f"{CONTINUE}{draft_id}" if done else ""


def _author(fields: list[tuple[str, str]]) -> str:
    """Who typed this: the person for whom the form was made, whether that session lives or not; empty if unknown."""
    _, _, author = dict(fields).get("form_token", "").partition(".")
    if re.fullmatch("[0-9a-f]{64}", author):
        return author
    login = g.get("login")
    return "" if login is None else services().author(login.person.id)


def browser_token() -> str:
    """The value of the browser's cookie, set now if there is none."""
    names = cookies()
    value = request.cookies.get(names.browser)
    if value and len(value) <= 100:
        return value
    if "browser" not in g:
        g.browser = new_token()
        after_this_request(partial(_with_browser, names, g.browser))
    return str(g.browser)


def _with_browser(names: Cookies, value: str, response: Response) -> Response:
    names.set(response, names.browser, value)
    return response


def _is_ours() -> bool:
    """Whether a page of ours sent this form, as far as the browser says."""
    sender = request.headers.get("Origin")
    if sender is not None:
        return sender == services().config.origin
    return request.headers.get("Sec-Fetch-Site", "same-origin") in ("same-origin", "none")


def _sent() -> list[tuple[str, str]]:
    """The form's fields; none of a form that is too large, whose error is being shown."""
    try:
        return list(request.form.items(multi=True))
    except RequestEntityTooLarge:
        return []


def form_cookie() -> str:
    """The cookie that forms are bound to: the session's, or before sign-in the browser's; may be empty."""
    mine = cookies()
    return request.cookies.get(mine.session) or request.cookies.get(mine.browser) or ""


def new_token() -> str:
    """256 random bits, for cookies and states."""
    return secrets.token_urlsafe(32)
