"""Errors as HTTP says them: the one place that maps families and codes to statuses, and how they are shown.

Paths below ``/api`` and the other machine-readable ones answer JSON, everything else a page.
"""

from __future__ import annotations

import logging

from flask import Flask, Response, jsonify, make_response, redirect, render_template, request, url_for
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from sshjit.errors import Failed, Invalid, SshJitError

LOG = logging.getLogger(__name__)

_BY_CODE = {
    "login_needed": 401,
    "login_over": 401,
    "bad_token": 401,
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
            *("nothing_to_review", "already_locked", "too_many_remarks", "name_taken"),
        ),
        409,
    ),
    "not_permitted": 403,
    "too_large": 413,
    "wrong_type": 415,
    "too_many": 429,
    "internal": 500,
    "provider_down": 502,
}
_BY_FAMILY = {"invalid": 400, "refused": 403, "failed": 503}
_HTTP = {
    404: ("unknown_page", "there is nothing at this address"),
    405: ("wrong_method", "this address does not take that method"),
    413: ("too_large", "this is more than we take"),
    415: ("wrong_type", "the body must be application/json"),
}
_TITLES = {
    "invalid": "That did not work",
    "refused": "The answer is no",
    "failed": "Something of ours is down",
}
_TITLES_BY_STATUS = {
    401: "Sign-in needed",
    404: "Not found",
    409: "Somebody was faster, or it is too late",
    502: "The identity provider is down",
}


def status_of(error: SshJitError) -> int:
    """The HTTP status of an error (``docs/protocol.md``)."""
    return _BY_CODE.get(error.code) or _BY_FAMILY[error.family]


def install(app: Flask) -> None:
    """Registers the handlers."""
    app.register_error_handler(SshJitError, _ours)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unexpected)


def _ours(error: SshJitError) -> AnyResponse:
    status = status_of(error)
    if error.family == "failed":
        LOG.warning("%s %s: %s: %s", request.method, ascii(request.path), error.code, error)
    if _wants_json():
        return _json(error, status)
    if status == 401 and request.blueprint == "pages" and request.method == "GET":
        return redirect(url_for("auth.sign_in", next=request.full_path.rstrip("?")), code=303)
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
    LOG.error("%s %s failed", request.method, ascii(request.path), exc_info=error)
    ours = Failed("internal", "something went wrong here", hint="it is in the log; try again")
    return _json(ours, 500) if _wants_json() else page(ours, 500)


_MACHINES = ("/api/", "/log/", "/bundle", "/healthz", "/readyz")


def _wants_json() -> bool:
    return request.path.startswith(_MACHINES)


def _json(error: SshJitError, status: int) -> Response:
    body = {"family": error.family, "code": error.code, "message": error.message, "hint": error.hint}
    response = jsonify(error=body)
    response.status_code = status
    return response


def page(error: SshJitError, status: int) -> Response:
    """The error as a page."""
    title = _TITLES_BY_STATUS.get(status) or _TITLES[error.family]
    return make_response(render_template("error.html", error=error, title=title, status=status), status)
