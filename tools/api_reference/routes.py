"""``python -m tools.api_reference``: writes ``docs/api.md``, the reference of the front end's HTTP API.

It is made of the views and of the classes that they read and answer, so it says what they say; a test compares it with
what is made here.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import sys
import textwrap
import typing
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from sshjit import ca_protocol, host_program
from sshjit.api import ask, bodies, session, sign_in
from sshjit_web import api, public, security_txt
from sshjit_web.api import account, hosts, locks, requests

OUTPUT = Path(__file__).resolve().parents[1] / "docs/api.md"
PREFIXES = {"blueprint": "/api/v1", "host_blueprint": "/api/v1/host"}
_METHODS = {"get", "post", "put", "delete", "patch"}
_NAMED = {"host_program.PATH": host_program.PATH, "security_txt.PATH": security_txt.PATH}
"""Paths that a view does not spell out."""
_CLASSES = (ca_protocol, ask, bodies, session, sign_in)
_HEAD = """# The HTTP API

Made of the program by `python -m tools.api_reference`; do not change it by hand. What it means in full, errors,
versions and signatures are in [protocol.md](protocol.md).

Bodies are JSON objects (`Content-Type: application/json`). A field that is not known is refused; one with a default may
be left out. A caller says which version it speaks in `Ssh-Jit-Version`
([how formats grow](protocol.md#8-how-formats-grow)). *Token*: it takes `Authorization: Bearer`, which
`POST /api/v1/login` answers. Times are seconds since 1970, UTC; durations are seconds.
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Route:
    """A route, as its view says it. ``body`` and ``reply`` are names of classes, or empty."""

    method: str
    path: str
    text: str
    body: str
    reply: str
    status: str
    query: tuple[str, ...]
    token: bool


def routes() -> list[Route]:
    """Every route of the API, and of what needs no sign-in, in the order of the source."""
    modules = ((module, PREFIXES) for module in (account, requests, hosts, locks))
    return [
        route for module, prefixes in (*modules, (public, {"blueprint": ""})) for route in _routes(module, prefixes)
    ]


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
                    yield _route(node, method.upper(), prefixes[name] + where)


def _route(node: ast.FunctionDef, method: str, path: str) -> Route:
    calls = [call for call in ast.walk(node) if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)]
    named = {call.func.id for call in calls if isinstance(call.func, ast.Name)}
    body = next((_name(call.args[0]) for call in calls if _called(call) == "body"), "")
    reply = next(filter(None, map(_reply, calls)), "") or _REPLIES.get(node.name, "")
    query = [
        str(call.args[0].value)
        for call in calls
        if _called(call) in ("number", "choice") and isinstance(call.args[0], ast.Constant)
    ]
    query += re.findall(r"request\.args\.get\('(\w+)'\)", ast.unparse(node))
    query += ["limit"] if "limit" in named else []
    if "_asked" in named:
        status = "201, or 200 for one that waits already or is to be signed first"
    else:
        codes = re.findall(r"status=(\d{3})|, (20\d)\)", ast.unparse(node))
        status = next((first or second for first, second in codes if (first or second) != "304"), "200")
    text = " ".join((ast.get_docstring(node) or "").split()).replace("``", "`")
    where = path.replace("<request_id>", "ID").replace("<", "{").replace(">", "}").replace("path:", "")
    token = bool({"login_id", "bearer"} & named)
    return Route(method, where, text, body, reply, status, tuple(dict.fromkeys(query)), token)


_REPLIES = {"whoami": "LoginView"}
"""Of views whose source does not name it."""


def _reply(call: ast.Call) -> str:
    """The class that a call answers, or of which it answers a part; else empty."""
    match call:
        case ast.Call(func=ast.Name(id="carried"), args=[_, ast.Name(id=name), ast.Constant(value=str(part))]):
            return str(typing.get_type_hints(_class(name))[part].__name__)
        case ast.Call(func=ast.Name(id="carried"), args=[_, ast.Name(id=name)]):
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
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else ""


def text() -> str:
    """All of the file."""
    lines = [_HEAD, "## Routes", "", "| route | | body | answer |", "|---|---|---|---|"]
    known = routes()
    for route in known:
        query = f"?{'=&'.join(route.query)}=" if route.query else ""
        what = f"{'*Token.* ' if route.token else ''}{route.text}".replace("|", "\\|")
        answer = f"{route.status}{f' {_linked(route.reply)}' if route.reply else ''}"
        lines.append(f"| `{route.method} {route.path}{query}` | {what} | {_linked(route.body) or 'none'} | {answer} |")
    lines += ["", "## Objects", ""]
    for cls in _closure(name for route in known for name in (route.body, route.reply) if name):
        lines += _described(cls)
    return "\n".join(lines).rstrip() + "\n"


def _linked(name: str) -> str:
    return f"[{name}](#{name.lower()})" if name else ""


def _closure(names: Iterator[str]) -> list[type]:
    """The classes of these names, and those in their fields, by name."""
    found: dict[str, type] = {}
    waiting = [_class(name) for name in names]
    while waiting:
        cls = waiting.pop()
        if cls.__name__ not in found:
            found[cls.__name__] = cls
            hints = typing.get_type_hints(cls)
            waiting += [inner for field in dataclasses.fields(cls) for inner in _inside(hints[field.name])]
    return [found[name] for name in sorted(found)]


def _class(name: str) -> type:
    cls: type = next(vars(module)[name] for module in _CLASSES if name in vars(module))
    return cls


def _inside(kind: Any) -> list[type]:
    if dataclasses.is_dataclass(kind):
        return [typing.cast("type", kind)]
    return [inner for part in typing.get_args(kind) for inner in _inside(part)]


def _described(cls: type) -> list[str]:
    body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    assert isinstance(body, ast.ClassDef)  # noqa: S101 - the source of a class
    about = {
        first.target.id: (ast.unparse(first.annotation), _text(second))
        for first, second in zip(body.body, [*body.body[1:], ast.Pass()], strict=True)
        if isinstance(first, ast.AnnAssign) and isinstance(first.target, ast.Name)
    }
    lines = [f"### {cls.__name__}", "", " ".join((ast.get_docstring(body) or "").split()).replace("``", "`"), ""]
    lines += ["| field | type | |", "|---|---|---|"]
    for field in dataclasses.fields(cls):
        kind, what = about.get(field.name, ("", ""))
        since = field.metadata.get("since", 1)
        more = [f"since version {since}"] if since > 1 else []
        more += [] if field.default is dataclasses.MISSING else [f"default `{field.default!r}`"]
        what = " ".join(filter(None, (what, f"({', '.join(more)})" if more else "")))
        lines.append(f"| `{field.name}` | `{kind}` | {what} |".replace(" | | ", " / ").replace("` |  |", "` | |"))
    return [*lines, ""]


def _text(node: ast.stmt) -> str:
    match node:
        case ast.Expr(value=ast.Constant(value=str(said))):
            return " ".join(said.split()).replace("``", "`").replace("|", "\\|")
        case _:
            return ""


def main() -> int:
    """Writes it."""
    assert api  # noqa: S101 - registers the views
    OUTPUT.write_text(text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
