"""The routes of the front end's HTTP API, as the source of its views says them."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import typing
from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Any

from sshjit import ca_protocol, host_program
from sshjit.api import ask, bodies, session, sign_in
from sshjit_web import public, security_txt
from sshjit_web.api import account, hosts, locks, passkeys, requests

PREFIXES = {"blueprint": "/api/v1", "calls": "/api/v1"}
_METHODS = {"get", "post", "put", "delete", "patch"}
_NAMED = {"host_program.PATH": host_program.PATH, "security_txt.PATH": security_txt.PATH}
"""Paths that a view does not spell out."""
_CLASSES = (ca_protocol, ask, bodies, session, sign_in)
_REPLIES = {"whoami": "LoginView"}
"""Of views whose source does not name it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the query. ``words``: what it may be; empty for any text, or any ``number``."""

    name: str
    number: bool = False
    words: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Route:
    """A route, as its view says it. ``body`` and ``reply`` are names of classes, or empty.

    ``statuses``: what a good answer may have; ``media``: what it is, where it is no object; ``may_lack``: whether there
    may be nothing at this address.
    """

    view: str
    method: str
    path: str
    text: str
    body: str
    reply: str
    statuses: tuple[str, ...]
    query: tuple[Parameter, ...]
    token: bool
    media: str
    may_lack: bool


def routes() -> list[Route]:
    """Every route of the API, and of what needs no sign-in, in the order of the source."""
    modules = ((module, PREFIXES) for module in (account, requests, hosts, locks, passkeys))
    return [
        route for module, prefixes in (*modules, (public, {"blueprint": ""})) for route in _routes(module, prefixes)
    ]


def class_named(name: str) -> type:
    """The class of a body or an answer."""
    cls: type = next(vars(module)[name] for module in _CLASSES if name in vars(module))
    return cls


def closure(names: Iterable[str]) -> list[type]:
    """The classes of these names, and those in their fields, by name."""
    known: dict[str, type] = {}
    waiting = [class_named(name) for name in names]
    while waiting:
        cls = waiting.pop()
        if cls.__name__ not in known:
            known[cls.__name__] = cls
            hints = typing.get_type_hints(cls)
            waiting += [inner for field in dataclasses.fields(cls) for inner in _inside(hints[field.name])]
    return [known[name] for name in sorted(known)]


def _inside(kind: Any) -> list[type]:
    if dataclasses.is_dataclass(kind):
        return [typing.cast("type", kind)]
    return [inner for part in typing.get_args(kind) for inner in _inside(part)]


def _routes(module: ModuleType, prefixes: dict[str, str]) -> Iterator[Route]:
    for node in ast.parse(inspect.getsource(module)).body:
        if not isinstance(node, ast.FunctionDef):
            continue
        for decorator in node.decorator_list:
            match decorator:
                case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method), args=[path, *_]) if (
                    name in prefixes and method in _METHODS
                ):
                    where = str(path.value) if isinstance(path, ast.Constant) else _NAMED[ast.unparse(path)]
                    yield _route(module, node, method.upper(), prefixes[name] + where)


def _route(module: ModuleType, node: ast.FunctionDef, method: str, path: str) -> Route:
    calls = [call for call in ast.walk(node) if isinstance(call, ast.Call)]
    named, source = {_called(call) for call in calls}, ast.unparse(node)
    body = next((_name(call.args[0]) for call in calls if _called(call) == "body"), "")
    where = path.replace("<request_id>", "ID").replace("<", "{").replace(">", "}").replace("path:", "")
    media = re.search(r"(?:mimetype|content_type)='([\w/-]+)", source)
    return Route(
        view=node.name,
        method=method,
        path=where,
        text=" ".join((ast.get_docstring(node) or "").split()).replace("``", "`"),
        body=body,
        reply=next(filter(None, map(_reply, calls)), "") or _REPLIES.get(node.name, ""),
        statuses=_statuses(named, source),
        query=tuple({parameter.name: parameter for parameter in _query(module, calls, source)}.values()),
        token=bool({"login_id", "bearer"} & named),
        media=media[1] if media else "",
        may_lack="abort" in named,
    )


def _statuses(named: set[str], source: str) -> tuple[str, ...]:
    if "_asked" in named:
        return "201", "200"
    if either := re.search(r"status=(\d{3}) if \w+ else (\d{3})", source):
        return either[1], either[2]
    codes = re.findall(r"status=(\d{3})|, (20\d)\)", source)
    plain = "204" if {"nothing", "done"} & named else "200"
    usual = next((first or second for first, second in codes if (first or second) != "304"), plain)
    return (usual, "304") if "304" in source or "make_conditional" in source else (usual,)


def _query(module: ModuleType, calls: list[ast.Call], source: str) -> Iterator[Parameter]:
    for call in calls:
        match call:
            case ast.Call(func=ast.Name(id="number"), args=[ast.Constant(value=str(name))]):
                yield Parameter(name, number=True)
            case ast.Call(func=ast.Name(id="choice"), args=[ast.Constant(value=str(name)), ast.Name(id=among)]):
                words = vars(module)[among]
                yield Parameter(name, words=tuple(str(word) for word in typing.get_args(words) or words))
            case ast.Call(func=ast.Name(id="limit")):
                yield Parameter("limit", number=True)
            case _:
                pass
    for name in re.findall(r"request\.args\.get\('(\w+)'\)", source):
        yield Parameter(name)


def _reply(call: ast.Call) -> str:
    """The class that a call answers, or of which it answers a part; else empty."""
    match call:
        case ast.Call(
            func=ast.Name(id="carried" | "hand_on"), args=[_, ast.Name(id=name), ast.Constant(value=str(part))]
        ):
            return str(typing.get_type_hints(class_named(name))[part].__name__)
        case ast.Call(func=ast.Name(id="carried" | "hand_on"), args=[_, ast.Name(id=name)]):
            return name
        case ast.Call(func=ast.Name(id="answer"), args=[ast.Call(func=ast.Name(id=name)), *_]):
            return name
        case ast.Call(func=ast.Name(id="decided")):
            return "RequestView"
        case ast.Call(func=ast.Name(id="_asked")):
            return "AskReply"
        case _:
            return ""


def _called(call: ast.Call) -> str:
    match call.func:
        case ast.Name(id=name) | ast.Attribute(value=ast.Name(id="asked"), attr=name):
            return name
        case _:
            return ""


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else ""
