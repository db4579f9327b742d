"""Errors as HTTP says them: the one place that maps families and codes to statuses, and how they are shown.

Paths below ``/api`` and the other machine-readable ones answer JSON, everything else a page.
"""

from __future__ import annotations

import json
import logging
import random
import secrets

from flask import Flask, Response, g, make_response, redirect, render_template, request, url_for
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from sshjit import token_codes
from sshjit.errors import Failed, Invalid, SshJitError
from sshjit_web import security
from sshjit_web.failed_sign_in import FailedSignIn
from sshjit_web.services import services

LOG = logging.getLogger(__name__)

_BY_CODE = {
    "login_needed": 401,
    "login_over": 401,
    **dict.fromkeys(token_codes.INVALID, 401),
    **dict.fromkeys(
        (
            *("unknown_request", "unknown_host", "unknown_person", "unknown_lock", "unknown_login"),
            *("unknown_certificate", "no_such_hosts", "unknown_tile", "bad_tile", "unknown_page"),
        ),
        404,
    ),
    "wrong_method": 405,
    **dict.fromkeys(
        (
            *("wrong_state", "digest_differs", "not_yet", "extension", "already_decided", "already_reviewed"),
            *("shown_differs", "nothing_to_review", "already_locked", "too_many_remarks", "name_taken"),
        ),
        409,
    ),
    "not_permitted": 403,
    "too_slow": 408,
    "too_old": 426,
    "too_large": 413,
    "wrong_type": 415,
    "too_many": 429,
    "too_many_waiting": 429,
    "too_fast": 429,
    "denied_lately": 429,
    "busy": 503,
    "internal": 500,
    **dict.fromkeys(("provider_down", "provider_untrusted", "provider_settings", "bad_provider_answer"), 502),
}
_BY_FAMILY = {"invalid": 400, "refused": 403, "failed": 503}
_HTTP = {
    404: ("unknown_page", "there is no page at this address"),
    405: ("wrong_method", "this address does not accept that method"),
    413: ("too_large", "the request is too large"),
    415: ("wrong_type", "the body must be application/json"),
}
_TITLES = {
    "invalid": "Invalid request",
    "refused": "Request not allowed",
    "failed": "ssh-jit can't issue access right now",
}
_TITLES_BY_STATUS = {
    401: "You are not signed in",
    404: "Not found",
    409: "This is no longer possible",
    500: "Internal error",
    502: "The identity provider is down",
}
_TITLES_BY_CODE = {
    "already_decided": "This request has already been decided",
    "bad_form": "This form was not accepted",
    "digest_differs": "This request has changed",
    "not_permitted": "Not allowed",
    "client_refused": "Sign-in failed",
    "provider_settings": "The identity provider cannot be used",
    "provider_untrusted": "The identity provider cannot be trusted",
    "scope_refused": "Sign-in failed",
    "sign_in_refused": "Sign-in failed",
    **dict.fromkeys((*token_codes.INVALID, *token_codes.REFUSED), "Sign-in failed"),
    "bad_provider_answer": "The identity provider cannot be used",
    "wrong_state": "This request has already been decided",
}
LATER = ("busy", "too_fast")
"""Codes of errors after which the same may be sent again soon."""
SOON = 2, 8
"""Seconds until then, least and most, where nobody knows better; for each another, so that not all come at once."""
REFERENCE = "Ssh-Jit-Reference"
"""The header that carries a failure's id to programs."""
RETRY = 10
"""Seconds after which a page that could not be read, because something is down, is read again by itself."""


def status_of(error: SshJitError) -> int:
    """The HTTP status of an error (``docs/protocol.md``). A list that is too long is no shorter later: it is no 429."""
    if error.code == "too_many" and error.family == "invalid":
        return 400
    return _BY_CODE.get(error.code) or _BY_FAMILY[error.family]


def install(app: Flask) -> None:
    """Registers the handlers, and the filter that shows a failure's id."""
    app.jinja_env.filters["reference"] = reference
    app.register_error_handler(SshJitError, _ours)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unexpected)


def reference(error: SshJitError) -> str:
    """A failure's id, which a page shows and the log has with all that the operator needs; empty for other errors.

    The first call in a request writes the line. What a database, a file or the CA's socket said stands there alone.
    """
    if error.family != "failed":
        return ""
    known: dict[SshJitError, str] = g.setdefault("references", {})
    if error not in known:
        known[error] = note(error, _place())
    return known[error]


def note(error: SshJitError, place: str) -> str:
    """Writes a failure at this place into the log, and returns its id; empty for other errors."""
    if error.family != "failed":
        return ""
    number = secrets.token_hex(4)
    cause = f" ({str(error.__cause__)!a})" if error.__cause__ is not None else ""
    LOG.warning("%s: %s: %s%s [%s]", place, error.code, error, cause, number)
    return number


def note_defect(error: Exception, place: str) -> tuple[Failed, str]:
    """Writes into the log what nobody foresaw; the error to answer, and its id."""
    ours = Failed("internal", "the front end failed", hint="try again; if it goes on, tell the operator")
    number = note(ours, place)
    LOG.error("%s failed [%s]", place, number, exc_info=error)
    return ours, number


def _place() -> str:
    return place_of(request.method, request.path)


def place_of(method: str, path: str) -> str:
    """How the log names a request."""
    return f"{method} {path!a}"


def _ours(error: SshJitError) -> AnyResponse:
    status = status_of(error)
    if _wants_json():
        return _json(error, status)
    if status == 401 and request.blueprint == "pages" and request.method == "GET":
        return redirect(url_for("auth.sign_in", next=security.return_address()), code=303)
    return page(error, status)


def _http(error: HTTPException) -> AnyResponse:
    status = error.code or 500
    if status < 400:
        return error.get_response()
    code, message = _HTTP.get(status, ("bad_request", "the request is not understood"))
    ours = Invalid(code, message)
    response = _json(ours, status) if _wants_json() else page(ours, status)
    for name, value in error.get_headers():
        if name == "Allow":
            response.headers[name] = value
    return response


def _unexpected(error: Exception) -> AnyResponse:
    ours, number = note_defect(error, _place())
    g.references = {ours: number}
    return _json(ours, 500) if _wants_json() else page(ours, 500)


_MACHINES = ("/api/", "/host/", "/log/", "/bundle", "/healthz", "/readyz", "/.well-known/")


def is_for_programs(path: str) -> bool:
    """Whether this address answers JSON."""
    return path.startswith(_MACHINES)


def _wants_json() -> bool:
    return is_for_programs(request.path)


def document(error: SshJitError) -> dict[str, str | int]:
    """The error as JSON says it."""
    known = {"family": error.family, "code": error.code, "message": error.message, "hint": error.hint}
    return {**known, **({"retry_after": error.retry_after} if error.retry_after else {})}


def retry_after(error: SshJitError) -> int:
    """Seconds after which the same may be sent again: as whoever refused it knows, or soon, each at another time."""
    return error.retry_after or random.randint(*SOON)  # noqa: S311 - no secret: it spreads load


def told_retry(error: SshJitError) -> str | None:
    """``Retry-After``, of an error that says it."""
    return str(retry_after(error)) if error.code in LATER or error.retry_after else None


def for_program(error: SshJitError, number: str) -> tuple[list[tuple[str, str]], bytes]:
    """Headers and body of an error that a program reads; ``number`` is a failure's id."""
    body = json.dumps({"error": document(error)}, separators=(",", ":")).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    if (seconds := told_retry(error)) is not None:
        headers.append(("Retry-After", seconds))
    if number:
        headers.append((REFERENCE, number))
    return headers, body


def _json(error: SshJitError, status: int) -> Response:
    headers, body = for_program(error, reference(error))
    return Response(body, status, headers)


def _to_failed_sign_in(error: SshJitError) -> Response:
    have, target = services(), str(g.get("after_sign_in") or url_for("pages.home"))
    sealed = FailedSignIn(error, reference(error), target).seal(have.key, security.browser_token())
    address = url_for(security.SIGN_IN_FAILED, provider=(request.view_args or {})["provider"], why=sealed)
    return make_response(redirect(address, code=303))


def failed_sign_in(failed: FailedSignIn) -> Response:
    """The page that says why a sign-in failed."""
    g.after_sign_in = failed.target
    g.references = {failed.error: failed.reference}
    return page(failed.error, status_of(failed.error))


def page(error: SshJitError, status: int) -> Response:
    """The error as a page; from a provider's answer, which works once, a redirect to one."""
    if request.endpoint == security.SIGN_IN_ANSWER:
        return _to_failed_sign_in(error)
    title = _TITLES_BY_CODE.get(error.code) or _TITLES_BY_STATUS.get(status) or _TITLES[error.family]
    once = request.endpoint == security.SIGN_IN_FAILED
    retry = RETRY if status == 503 and request.method == "GET" and not once else None
    shown = render_template("error.html", error=error, title=title, status=status, retry=retry, sign_in_failed=once)
    response = make_response(shown, status)
    if (seconds := told_retry(error)) is not None:
        response.headers["Retry-After"] = seconds
    return response
