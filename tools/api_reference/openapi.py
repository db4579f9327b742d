"""``docs/openapi.json``: the reference for programs, an OpenAPI 3.1 document."""

from __future__ import annotations

import json
import re
import typing
from pathlib import Path
from typing import Any

from sshjit import limits, versions
from sshjit_web import api
from tools.api_reference import schemas
from tools.api_reference.routes import Parameter, Route, closure, routes

OUTPUT = Path(__file__).resolve().parents[2] / "docs/openapi.json"
_LARGEST = 10**15 - 1
"""The longest number that a query may have."""
_STATUSES = {
    "200": "what was asked for",
    "201": "what was made",
    "204": "done; there is nothing to say",
    "304": "the caller has the newest already",
    "400": "the request is not one, or not in this form",
    "401": "nobody is signed in by this token, or not any more",
    "403": "no: the message says why, and the hint what may help",
    "404": "there is nothing of this name",
    "405": "this address does not take this method",
    "408": "the body did not arrive in time",
    "409": "it is no longer possible, or was done already",
    "413": "the body is too large",
    "415": "the body must be application/json",
    "426": "the caller is too old: it would lose what it must not",
    "429": "too many, or too fast; Retry-After says when it may help to ask again, where it is known",
    "500": "the front end has a fault",
    "502": "an identity provider does not answer as it must",
    "503": "the CA or a database is away or busy; Retry-After says when to ask again, where it is known",
}
_ALWAYS = ("400", "413", "426", "429", "500", "503")
_WITH_TOKEN = ("401", "403", "404", "409")
_WITH_BODY = ("403", "404", "408", "409", "415")
_SIGNING_IN = ("401", "502")
_TITLE = "ssh-jit"
_VERSION = (
    f"The version that the caller speaks, from {versions.OLDEST} to {versions.PROTOCOL}; anything else is version 1."
)
_DESCRIPTION = (
    "The front end's HTTP API. Times are seconds since 1970, UTC; durations are seconds. A field that is not known is"
    " refused in what is sent, and may come in what is answered. docs/protocol.md says what it means in full."
)


def document() -> dict[str, Any]:
    """The whole document."""
    known = routes()
    paths: dict[str, dict[str, Any]] = {}
    for route in known:
        paths.setdefault(_path(route), {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": _TITLE,
            "description": _DESCRIPTION,
            "version": str(versions.PROTOCOL),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": dict(sorted(_components(known).items())),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def text() -> str:
    """All of the file."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


def _path(route: Route) -> str:
    return re.sub(r"/ID(?=/|$)", "/{id}", route.path)


def _components(known: list[Route]) -> dict[str, schemas.Schema]:
    sent = closure(route.body for route in known if route.body)
    answered = closure(route.reply for route in known if route.reply)
    texts = {name: {"type": "string"} for name in ("family", "code", "message", "hint")}
    error = {"type": "object", "properties": texts, "required": list(texts)}
    return {
        "Error": {
            "type": "object",
            "description": "What happened, and what to do. The code is stable.",
            "properties": {"error": error},
            "required": ["error"],
        },
        **{schemas.name(cls, body=True): schemas.record(cls, body=True) for cls in sent},
        **{schemas.name(cls, body=False): schemas.record(cls, body=False) for cls in answered},
    }


def _operation(route: Route) -> dict[str, Any]:
    made: dict[str, Any] = {
        "operationId": _identifier(route),
        "summary": route.text,
        "parameters": [
            {"name": versions.HEADER, "in": "header", "description": _VERSION, "schema": {"type": "string"}},
            *({"name": name, "in": "path", "required": True, "schema": _name_of()} for name in _in_path(route)),
            *({"name": one.name, "in": "query", "schema": _parameter(one)} for one in route.query),
        ],
        "responses": {
            **{status: _answer(route, status) for status in route.statuses},
            **{status: _error(status) for status in _problems(route)},
        },
    }
    if route.token:
        made["security"] = [{"token": []}]
    if route.body:
        sent = {"$ref": f"#/components/schemas/{route.body}Sent"}
        made["requestBody"] = {"required": True, "content": {"application/json": {"schema": sent}}}
    return made


def _name_of() -> schemas.Schema:
    most = limits.limit_in(typing.get_args(limits.Name))
    return {"type": "string", "minLength": 1, **({"maxLength": most.most} if most else {})}


def _identifier(route: Route) -> str:
    """Unique by method and path: ``post_requests_id_approve``."""
    words = re.findall(r"[A-Za-z0-9_]+", route.path.removeprefix("/api/v1"))
    return "_".join([route.method.lower(), *(word.lower() for word in words)])


def _in_path(route: Route) -> list[str]:
    return re.findall(r"{(\w+)}", _path(route))


def _parameter(parameter: Parameter) -> schemas.Schema:
    if parameter.number:
        return {"type": "integer", "minimum": 0, "maximum": _LARGEST}
    return {"type": "string", **({"enum": list(parameter.words)} if parameter.words else {})}


def _answer(route: Route, status: str) -> dict[str, Any]:
    described: dict[str, Any] = {"description": _STATUSES[status]}
    if status in {"204", "304"}:
        return described
    kind = route.media or "application/json"
    schema: schemas.Schema = {"$ref": f"#/components/schemas/{route.reply}"} if route.reply else {"type": "object"}
    if not kind.endswith("json"):
        schema = {"type": "string"} if kind.startswith("text/") else {}
    return described | {"content": {kind: {"schema": schema} if schema else {}}}


def _problems(route: Route) -> list[str]:
    statuses = {*_ALWAYS, *(_WITH_TOKEN if route.token else ()), *(_WITH_BODY if route.body else ())}
    statuses |= {*_SIGNING_IN} if route.view.startswith("login") else set()
    statuses |= {"404"} if route.may_lack or "{" in route.path else set()
    return sorted(statuses.difference(route.statuses))


def _error(status: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {"description": _STATUSES[status], "content": content}


assert api  # noqa: S101 - registers the views
