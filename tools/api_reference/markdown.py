"""``docs/api.md``: the reference for people."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
from pathlib import Path

from tools.api_reference.routes import Route, closure, routes

OUTPUT = Path(__file__).resolve().parents[2] / "docs/api.md"
_HEAD = """# The HTTP API

Made of the program by `python -m tools.api_reference`; do not change it by hand. What it means in full, errors,
versions and signatures are in [protocol.md](protocol.md). The same for programs, as OpenAPI 3.1, is in
[openapi.json](openapi.json).

Bodies are JSON objects (`Content-Type: application/json`). A field that is not known is refused; one with a default may
be left out. A caller says which version it speaks in `Ssh-Jit-Version`
([how formats grow](protocol.md#8-how-formats-grow)). *Token*: it takes `Authorization: Bearer`, which
`POST /api/v1/login` answers. Times are seconds since 1970, UTC; durations are seconds.
"""


def text() -> str:
    """All of the file."""
    lines = [_HEAD, "## Routes", "", "| route | | body | answer |", "|---|---|---|---|"]
    known = routes()
    for route in known:
        query = f"?{'=&'.join(parameter.name for parameter in route.query)}=" if route.query else ""
        what = f"{'*Token.* ' if route.token else ''}{route.text}".replace("|", "\\|")
        answer = f"{_status(route)}{f' {_linked(route.reply)}' if route.reply else ''}"
        lines.append(f"| `{route.method} {route.path}{query}` | {what} | {_linked(route.body) or 'none'} | {answer} |")
    lines += ["", "## Objects", ""]
    for cls in closure(name for route in known for name in (route.body, route.reply) if name):
        lines += _described(cls)
    return "\n".join(lines).rstrip() + "\n"


def _status(route: Route) -> str:
    if route.statuses == ("201", "200"):
        return "201, or 200 for one that waits already or is to be signed first"
    return route.statuses[0]


def _linked(name: str) -> str:
    return f"[{name}](#{name.lower()})" if name else ""


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
