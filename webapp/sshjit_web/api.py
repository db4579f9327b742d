"""The JSON API of the command line: every row of ``docs/protocol.md``, and nothing more.

Views parse, call the authority and render its answer. Bearer tokens alone sign in here; cookies do not count.
"""

from __future__ import annotations

import json
from typing import Any, Literal, TypeVar, cast, get_args

from flask import Blueprint, Response, request

from sshjit import wire
from sshjit.api import AskBody, DecisionBody, LoggedIn, LoginBody
from sshjit.errors import Invalid
from sshjit.messages import (
    Approve,
    Ask,
    AskReply,
    Cancel,
    CertificateReply,
    ChallengeReply,
    Deny,
    End,
    HostsReply,
    LoginNative,
    LoginReply,
    LogReply,
    Message,
    ReadChallenge,
    ReadHosts,
    ReadLog,
    ReadRequest,
    ReadRequests,
    Reply,
    RequestReply,
    RequestsReply,
    SignUser,
)
from sshjit_web import security
from sshjit_web.services import services

MAX_PAGE = 200
"""The most that one answer lists."""
DEFAULT_PAGE = 50
Scope = Literal["mine", "approve", "all"]
T = TypeVar("T")

blueprint = Blueprint("api", __name__, url_prefix="/api/v1")


@blueprint.post("/login")
def login() -> Response:
    """A command line signs in with an ID token bound to its key."""
    said = body(LoginBody)
    message = LoginNative(said.provider, said.id_token, said.key, said.salt, said.signature, request.remote_addr or "")
    made = services().ca.call(message, LoginReply).login
    token = services().sessions.open("api", made)
    return answer(wire.encode(LoggedIn(token, made)), 201)


@blueprint.post("/logout")
def logout() -> Response:
    """Ends the token's login."""
    _no_body()
    _login_id()
    services().sessions.end("api", _bearer())
    return Response(status=204)


@blueprint.get("/whoami")
def whoami() -> Response:
    """The token's login."""
    return answer(wire.encode(services().sessions.login("api", _bearer())))


@blueprint.get("/hosts")
def hosts() -> Response:
    """The hosts there are."""
    return carried(ReadHosts(_login_id()), HostsReply)


@blueprint.post("/requests")
def ask() -> Response:
    """Asks for access."""
    login_id, said = _login_id(), body(AskBody)
    message = Ask(
        login_id,
        said.hosts,
        said.login,
        said.action,
        said.command,
        said.duration,
        said.reason,
        said.certificate,
        request.remote_addr or "",
    )
    reply = services().ca.carry(message, AskReply)
    return _json(reply.text, 200 if reply.part("existing") == "true" else 201)


@blueprint.get("/requests")
def requests() -> Response:
    """Requests, newest first."""
    scope = request.args.get("scope", "mine")
    if scope not in get_args(Scope):
        raise Invalid("bad_parameter", "scope must be mine, approve or all")
    message = ReadRequests(_login_id(), cast("Scope", scope), limit(MAX_PAGE), number("before"))
    return carried(message, RequestsReply)


@blueprint.get("/requests/<request_id>")
def one(request_id: str) -> Response:
    """One request."""
    return _request(ReadRequest(_login_id(), request_id))


@blueprint.post("/requests/<request_id>/approve")
def approve(request_id: str) -> Response:
    """Says yes to the ask with this digest."""
    login_id, said = _login_id(), body(DecisionBody)
    return _request(Approve(login_id, request_id, said.digest, said.comment, said.consent))


@blueprint.post("/requests/<request_id>/deny")
def deny(request_id: str) -> Response:
    """Says no to the ask with this digest."""
    login_id, said = _login_id(), body(DecisionBody)
    return _request(Deny(login_id, request_id, said.digest, said.comment, said.consent))


@blueprint.post("/challenge")
def challenge() -> Response:
    """Something fresh to sign, for acts that need a signature."""
    _no_body()
    return carried(ReadChallenge(_login_id()), ChallengeReply, status=201)


@blueprint.post("/requests/<request_id>/cancel")
def cancel(request_id: str) -> Response:
    """Takes one's own pending request back."""
    _no_body()
    return _request(Cancel(_login_id(), request_id))


@blueprint.post("/requests/<request_id>/end")
def end(request_id: str) -> Response:
    """Ends one's own access before its time."""
    _no_body()
    return _request(End(_login_id(), request_id))


@blueprint.post("/requests/<request_id>/certificate")
def certificate(request_id: str) -> Response:
    """Draws a certificate for the login's own key."""
    _no_body()
    return carried(SignUser(_login_id(), request_id), CertificateReply, "certificate", status=201)


@blueprint.get("/log")
def log() -> Response:
    """A page of the log."""
    message = ReadLog(_login_id(), number("before"), limit(MAX_PAGE))
    return carried(message, LogReply)


def number(name: str) -> int | None:
    """A whole number of the query, or ``None`` when it is not there."""
    text = request.args.get(name, "")
    if text == "":
        return None
    if len(text) > 15 or not (text.isascii() and text.isdecimal()):
        raise Invalid("bad_parameter", f"{name} must be a whole number")
    return int(text)


def limit(most: int) -> int:
    """The wished length of a list, within reason."""
    wish = number("limit")
    return DEFAULT_PAGE if wish is None else max(1, min(wish, most))


def _request(message: ReadRequest | Approve | Deny | Cancel | End) -> Response:
    return carried(message, RequestReply, "request")


def _bearer() -> str | None:
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else None


def _login_id() -> str:
    """The login behind the token. Whether it is alive, the authority says with the answer itself."""
    return services().sessions.login_id("api", _bearer())


def body(cls: type[T]) -> T:
    """The request's body as a dataclass, strictly."""
    if request.mimetype != "application/json":
        raise Invalid("wrong_type", "the body must be application/json")
    return wire.decode(cls, wire.loads(request.get_data(cache=False), limit=security.MAX_BODY))


def _no_body() -> None:
    """Some calls carry nothing; an empty object is nothing too."""
    if request.environ.get("CONTENT_LENGTH") == "0":
        return  # looking into it would wait for the server's other threads
    if request.get_data(cache=False).strip() not in (b"", b"{}"):
        raise Invalid("bad_message", "this call carries no body")


def carried(message: Message, reply: type[Reply], part: str = "", *, status: int = 200) -> Response:
    """The authority's answer, or one part of it, as it came: whoever asked reads it strictly."""
    found = services().ca.carry(message, reply)
    return _json(found.part(part) if part else found.text, status)


def answer(value: Any, status: int = 200) -> Response:
    """A JSON answer of our own."""
    return _json(json.dumps(value, separators=(",", ":")), status)


def _json(text: str, status: int) -> Response:
    return Response(text, status, content_type="application/json")
