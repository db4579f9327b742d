"""How the JSON API reads what it is told and answers: bodies strictly, queries by name, answers as they came.

Bearer tokens alone sign in here; cookies do not count. Whether a login is alive, the CA says with the answer.
"""

from __future__ import annotations

import json
from typing import Any, TypeVar, get_args

from flask import Blueprint, Response, request

from sshjit import versions, wire
from sshjit.api.details import RequestReply
from sshjit.ca_protocol.table import Message, Reply
from sshjit.errors import Invalid
from sshjit_web import security
from sshjit_web.services import services

MAX_PAGE = 200
"""The most that one answer lists."""
DEFAULT_PAGE = 50
T = TypeVar("T")

blueprint = Blueprint("api", __name__, url_prefix="/api/v1")


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


def choice(name: str, among: Any) -> Any:
    """One of the words of a ``Literal`` or an enumeration, or ``None`` when it is not there."""
    text = request.args.get(name, "")
    if text == "":
        return None
    words = {str(each): each for each in get_args(among) or among}
    if text not in words:
        raise Invalid("bad_parameter", f"{name} must be {', '.join(words)}")
    return words[text]


def decided(message: Message) -> Response:
    """The request as it stands after ``message``."""
    return carried(message, RequestReply, "request")


def bearer() -> str | None:
    """The token that the caller shows."""
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else None


def login_id() -> str:
    """The login behind the token. Whether it is alive, the CA says with the answer itself."""
    return services().sessions.login_id("api", bearer())


def body(cls: type[T]) -> T:
    """The request's body as a dataclass, strictly, with every text and list within its limit."""
    if request.mimetype != "application/json":
        raise Invalid("wrong_type", "the body must be application/json")
    return wire.decode_bounded(cls, wire.loads(request.get_data(cache=False), limit=security.MAX_BODY))


def reader() -> int:
    """Which version the caller speaks."""
    return versions.parse(request.headers.get(versions.HEADER))


def address() -> str:
    """Where the caller is."""
    return request.remote_addr or ""


def no_body() -> None:
    """Some calls carry nothing; an empty object is nothing too."""
    if request.environ.get("CONTENT_LENGTH") == "0":
        return  # looking into it would wait for the server's other threads
    if request.get_data(cache=False).strip() not in (b"", b"{}"):
        raise Invalid("bad_message", "this call carries no body")


def carried(message: Message, reply: type[Reply], part: str = "", *, status: int = 200) -> Response:
    """The CA's answer, or one part of it, as it came, and as the version that asked knows it."""
    found = services().ca.carry(message, reply, reader())
    return json_text(found.part(part) if part else found.text, status)


def answer(value: Any, status: int = 200) -> Response:
    """A JSON answer of our own, as the version that asked knows it."""
    return json_text(json.dumps(wire.encode_for(value, reader(), "the asker"), separators=(",", ":")), status)


def json_text(text: str, status: int) -> Response:
    """JSON that is text already."""
    return Response(text, status, content_type="application/json")
