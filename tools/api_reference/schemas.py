"""JSON schemas (draft 2020-12) of the classes that ``sshjit/wire.py`` reads and writes, by its rules.

A body is closed and each of its texts and lists has a limit. An answer may have more than is known, and lacks what its
reader is too old for.
"""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from enum import StrEnum
from typing import Annotated, Any, Literal, Union

from sshjit import limits
from sshjit.limits import AtMost

Schema = dict[str, Any]
_PLAIN = {str: "string", int: "integer", bool: "boolean"}


def record(cls: type, *, body: bool) -> Schema:
    """The schema of a class, as a body that is sent or as a part of an answer."""
    hints = typing.get_type_hints(cls, include_extras=True)
    fields = [field for field in dataclasses.fields(cls) if "local" not in field.metadata]
    properties = {field.name: _property(field, hints[field.name], body=body) for field in fields}
    return {
        "type": "object",
        "description": " ".join((inspect.getdoc(cls) or "").split()),
        "properties": properties,
        "required": [field.name for field in fields if not _may_lack(field, body=body)],
        **({"additionalProperties": False} if body else {}),
    }


def name(cls: type, *, body: bool) -> str:
    """What the schema is called: a class that is sent and answered has two."""
    return f"{cls.__name__}Sent" if body else cls.__name__


def _may_lack(field: dataclasses.Field[Any], *, body: bool) -> bool:
    return field.default is not dataclasses.MISSING if body else _since(field) > 1


def _since(field: dataclasses.Field[Any]) -> int:
    return int(field.metadata.get("since", 1))


def _property(field: dataclasses.Field[Any], kind: Any, *, body: bool) -> Schema:
    schema = _schema(kind, body=body)
    if _since(field) > 1:
        schema = {**schema, "description": f"Since version {_since(field)}."}
    if body and isinstance(field.default, str | int | bool):
        schema = {**schema, "default": field.default}
    return schema


def _schema(kind: Any, *, body: bool, limit: AtMost | None = None) -> Schema:  # noqa: PLR0911 - one for each kind
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        return _schema(arguments[0], body=body, limit=limits.limit_in(arguments))
    if dataclasses.is_dataclass(kind):
        return {"$ref": f"#/components/schemas/{name(typing.cast('type', kind), body=body)}"}
    if kind in _PLAIN:
        most = {"maxLength": (limit or limits.TEXT).most} if body and kind is str else {}
        return {"type": _PLAIN[kind], **most}
    if origin is tuple and arguments[1:] == (Ellipsis,):
        most = {"maxItems": (limit or limits.ITEMS).most} if body else {}
        return {"type": "array", "items": _schema(arguments[0], body=body), **most}
    if origin is tuple:
        parts, count = [_schema(part, body=body) for part in arguments], len(arguments)
        return {"type": "array", "prefixItems": parts, "items": False, "minItems": count, "maxItems": count}
    if origin is Literal:
        return {"type": "string", "enum": list(arguments)}
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return {"type": "string", "enum": [member.value for member in kind]}
    if origin in (Union, types.UnionType) and len(arguments) == 2 and arguments[1] is types.NoneType:
        return {"anyOf": [_schema(arguments[0], body=body, limit=limit), {"type": "null"}]}
    raise TypeError(f"a message cannot hold {kind!r}")
