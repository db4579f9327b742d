"""Configuration text to dataclasses: what ``ca.toml``, ``web.toml`` and ``providers.toml`` have in common.

Unknown keys and wrong types are errors that name the file and the key; only a field with a default may be left out.
Reading the file, and whether its owner can be trusted, is the programs' part.
"""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from sshjit import wire
from sshjit.errors import Invalid

T = TypeVar("T")
VERSION = 1


def parse(text: str, file: str) -> dict[str, Any]:
    """The tables of a TOML file whose ``version`` is 1; ``version`` itself is taken out.

    Raises:
        Invalid: ``bad_config``.

    """
    try:
        tables = tomllib.loads(text)
    except ValueError as error:  # TOMLDecodeError, and what int() says to thousands of digits
        raise Invalid("bad_config", f"{file}: {error}") from None
    except RecursionError:
        raise Invalid("bad_config", f"{file}: nested too deeply") from None
    version = tables.pop("version", None)
    if type(version) is not int or version != VERSION:
        raise Invalid("bad_config", f"{file}: the first line must be: version = {VERSION}")
    return tables


def fill(cls: type[T], table: dict[str, Any], file: str, *, below: str = "") -> T:
    """Makes ``cls`` of a table; ``below`` is the table's own name, for the errors.

    Raises:
        Invalid: ``bad_config``, naming file and key.

    """
    fields = {field.name: field for field in dataclasses.fields(typing.cast("Any", cls))}
    for key in sorted(table.keys() - fields.keys()):
        near = difflib.get_close_matches(key, fields, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(fields)}"
        raise Invalid("bad_config", f"{file}: unknown key {_join(below, key)!r}", hint=hint)
    hints = typing.get_type_hints(cls)
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name in table:
            values[name] = _value(hints[name], table[name], file, _join(below, name))
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise Invalid("bad_config", f"{file}: the key {_join(below, name)!r} is missing")
    return cls(**values)


def _value(kind: Any, value: Any, file: str, path: str) -> Any:
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if types.NoneType in parts:  # TOML knows no null: what is there is there
        return _value(next(part for part in parts if part is not types.NoneType), value, file, path)
    if origin is Mapping:  # a table whose keys are the file's own
        if not isinstance(value, dict):
            raise Invalid("bad_config", f"{file}: the field {path!r} must be a table")
        return {key: _value(parts[1], item, file, _join(path, key)) for key, item in value.items()}
    if origin is tuple and dataclasses.is_dataclass(parts[0]) and isinstance(value, list):
        tables = enumerate(value)
        return tuple(_value(parts[0], item, file, f"{path}[{index}]") for index, item in tables)
    if dataclasses.is_dataclass(kind) and isinstance(value, dict):
        return fill(typing.cast("type", kind), value, file, below=path)
    try:
        return wire.decode_field(kind, value, path)
    except Invalid as error:
        raise Invalid("bad_config", f"{file}: {error.message}") from None


def _join(below: str, key: str) -> str:
    return f"{below}.{key}" if below else key
