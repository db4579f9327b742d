"""How the JSON API reads what it is told in Flask and answers: bodies strictly, queries by name, answers as they came.

Bearer tokens alone sign in here; cookies do not count. Whether a login is alive, the CA says with the answer.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, get_args

from flask import Blueprint, Response, request

from sshjit import wire
from sshjit.api.details import RequestReply
from sshjit.ca_protocol.table import Message, Reply
from sshjit.errors import Invalid
from sshjit_web.api.calls import JSON, PREFIX, Asked, Call, Question, bearer_of, calls, hand_on
from sshjit_web.services import services

MAX_PAGE = 200
"""The most that one answer lists."""
DEFAULT_PAGE = 50
T = TypeVar("T")

blueprint = Blueprint("api", __name__, url_prefix=PREFIX)
host_blueprint = Blueprint("host_api", __name__, url_prefix=f"{PREFIX}/host")
"""What hosts say for themselves: nobody signs in."""


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


def asked() -> Asked:
    """The current request."""
    have = services()
    return Asked(
        request.headers.get,
        partial(request.get_data, cache=False),
        request.remote_addr or "",
        partial(have.sessions.login_id, "api"),
    )


def bearer() -> str | None:
    """The token that the caller shows."""
    return bearer_of(request.headers.get("authorization"))


def login_id() -> str:
    """The login behind the token."""
    return asked().login_id()


def body(cls: type[T]) -> T:
    """The request's body as a dataclass."""
    return asked().body(cls)


def reader() -> int:
    """Which version the caller speaks."""
    return asked().reader()


def address() -> str:
    """Where the caller is."""
    return asked().address


def no_body() -> None:
    """Refuses a body, where a call carries none."""
    asked().no_body()


def serve(*blueprints: Blueprint) -> None:
    """Answers the calls of the table in Flask's threads, each by the first blueprint that is for its path."""
    for route in calls:
        blueprint = next(one for one in blueprints if route.rule.startswith(f"{one.url_prefix}/"))
        rule = route.rule.removeprefix(str(blueprint.url_prefix))
        blueprint.add_url_rule(rule, route.call.__name__, _view(route.call), methods=[route.method])


def _view(call: Call) -> Callable[..., Response]:
    return lambda **parts: _answered(call(asked(), *parts.values()))


def carried(message: Message, reply: type[Reply], part: str = "", *, status: int = 200) -> Response:
    """The CA's answer, or one part of it, as it came, and as the version that asked knows it."""
    return _answered(hand_on(message, reply, part, status=status))


def _answered(question: Question) -> Response:
    status, text = question.answer(services().ca.carry(question.message, question.reply, reader()))
    return nothing() if text is None else json_text(text, status)


def answer(value: Any, status: int = 200) -> Response:
    """A JSON answer of our own, as the version that asked knows it."""
    return json_text(json.dumps(wire.encode_for(value, reader(), "the asker"), separators=(",", ":")), status)


def nothing() -> Response:
    """It is done."""
    response = Response(status=204)
    del response.headers["Content-Type"]
    return response


def json_text(text: str, status: int) -> Response:
    """JSON that is text already."""
    return Response(text, status, content_type=JSON)
