"""JSON to dataclasses and back, by rules that let formats grow.

What arrives from another program becomes a dataclass of ``sshjit`` here or is refused: duplicate or mistyped fields,
floats, and nesting without end. Nothing is converted: ``"1"`` is not 1, ``true`` is not 1. A field that is missing
takes its default, if it has one. A field that is unknown is refused in what we act on (``decode``), since it may
limit what was asked for, and ignored in answers that we read (``decode_answer``). What a stranger sends is limited as
well, each text and each list (``decode_bounded``, ``sshjit/limits.py``). A field that came later says since
when (``added``), and ``encode_for`` leaves it out for a reader who is older. Whether a value makes sense (a name, an
address) is not decided here but in ``sshjit/names.py`` and by the code that uses it.

Both ways are compiled once for each class, as closures, so that a message costs microseconds.
"""

from __future__ import annotations

import dataclasses
import operator
import types
import typing
from collections.abc import Callable
from enum import Enum, StrEnum
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, Union

from sshjit import limits, strict_json, versions
from sshjit.errors import Invalid
from sshjit.limits import AtMost

loads = strict_json.loads
T = TypeVar("T")
_Check = Callable[[Any, str], Any]


class Unknown(Invalid):
    """A field or a word that is not known here, but may be to a newer version: else the value is as it should be."""


def added(since: int, *, default: Any, weakens: bool = False) -> Any:
    """A dataclass field that there is since version ``since`` (``sshjit/versions.py``). It stands after all others.

    ``weakens``: a request that says anything but the default here would mean less without it, so that a reader who does
    not know the field must not get the request at all.
    """
    return dataclasses.field(default=default, metadata={"since": since, "weakens": weakens})


def local(*, default: Any) -> Any:
    """A dataclass field that no JSON holds: what a reader notes about what it read. It stands after all others."""
    return dataclasses.field(default=default, compare=False, metadata={"local": True})


class _Mode(Enum):
    """What is asked of a value beside its type."""

    ACTED_ON = "no unknown fields"
    BOUNDED = "no unknown fields, and every text and list within its limit"
    ANSWER = "unknown fields are ignored"


def decode(cls: type[T], value: Any) -> T:
    """Makes ``cls`` of what ``loads`` returned: something of our own that is acted on, as an entry of the log.

    Raises:
        Invalid: ``bad_message``, with the path of the field that is wrong; ``Unknown`` if it may only be too new.

    """
    return typing.cast("T", _checker(typing.cast("Any", cls), _Mode.ACTED_ON)(value, ""))


def decode_bounded(cls: type[T], value: Any) -> T:
    """Makes ``cls`` of what ``loads`` returned: a request, whose texts and lists are within their limits.

    A list that is too long is refused before its items are looked at.

    Raises:
        Invalid: as ``decode``; ``bad_message``, or the limit's own code, for what is too long.

    """
    return typing.cast("T", _checker(typing.cast("Any", cls), _Mode.BOUNDED)(value, ""))


def decode_answer(cls: type[T], value: Any) -> T:
    """Makes ``cls`` of what ``loads`` returned: an answer, whose unknown fields are ignored. Raises as ``decode``."""
    return typing.cast("T", _checker(typing.cast("Any", cls), _Mode.ANSWER)(value, ""))


def decode_field(kind: Any, value: Any, path: str) -> Any:
    """Makes one field's type of a value that is acted on; ``path`` names the field in errors."""
    return _checker(kind, _Mode.ACTED_ON)(value, path)


def encode(value: Any) -> Any:
    """Makes dicts and lists of dataclasses, for ``json.dumps`` or ``canonical.dumps``."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if dataclasses.is_dataclass(kind):
        return _record_writer(kind)(value)
    if isinstance(value, (tuple, list)):
        return [encode(item) for item in value]
    if isinstance(value, StrEnum):
        return value.value
    return value


def fill(cls: Callable[..., T], source: Any, /, **given: Any) -> T:
    """A ``cls`` of the fields that ``source`` has by the same names, and of what is ``given``, which comes first.

    The one way in which an ask, and whatever else has several shapes, goes from one shape to the next.
    """
    return cls(
        **{name: getattr(source, name) for name in _common(cls, typing.cast("Any", type(source))) if name not in given},
        **given,
    )


@cache
def _common(cls: Any, source: type) -> tuple[str, ...]:
    there = frozenset(field.name for field in dataclasses.fields(source))
    return tuple(name for name in _field_names(cls) if name in there)


def encode_said(value: Any) -> Any:
    """As ``encode``, without the fields that hold their default: for what is hashed or signed.

    So a field that is added changes no digest and no signed text of before, where it says nothing.
    """
    kind = type(value)
    if isinstance(value, (tuple, list)):
        return [encode_said(item) for item in value]
    if not dataclasses.is_dataclass(kind):
        return encode(value)
    fields = ((field, getattr(value, field.name)) for field in _fields(kind))
    return {field.name: encode_said(item) for field, item in fields if item != field.default}


def encode_for(value: Any, version: int, reader: str) -> Any:
    """As ``encode``, without the fields that a reader of this version does not know; ``reader`` names it for people.

    Raises:
        Refused: ``too_old``, where a field that was left out would weaken what is asked.

    """
    kind = type(value)
    if isinstance(value, (tuple, list)):
        return [encode_for(item, version, reader) for item in value]
    if not dataclasses.is_dataclass(kind) or not grew(kind, version):
        return encode(value)
    made = {}
    for field in _fields(kind):
        item, since = getattr(value, field.name), field.metadata.get("since", 1)
        if since <= version:
            made[field.name] = encode_for(item, version, reader)
        elif field.metadata["weakens"] and item != field.default:
            raise versions.lacking(reader, field.name, since)
    return made


def needs(value: Any) -> int:
    """The oldest version whose readers know all that ``value`` says: fields that hold their default say nothing."""
    kind = type(value)
    if isinstance(value, (tuple, list)):
        return max(map(needs, value), default=1)
    if not dataclasses.is_dataclass(kind) or not grew(kind, 1):
        return 1
    fields = ((field, getattr(value, field.name)) for field in _fields(kind))
    said = ((field, item) for field, item in fields if "since" not in field.metadata or item != field.default)
    return max((max(field.metadata.get("since", 1), needs(item)) for field, item in said), default=1)


def grew(cls: Any, version: int) -> bool:
    """Whether this class, or one inside it, has a field that a reader of this version does not know."""
    return _grew(cls, version)


@cache
def _grew(cls: Any, version: int) -> bool:
    hints = typing.get_type_hints(cls)
    return any(
        field.metadata.get("since", 1) > version or any(grew(inner, version) for inner in _records(hints[field.name]))
        for field in _fields(cls)
    )


def _records(kind: Any) -> list[type]:
    """The dataclasses in a field's type."""
    if dataclasses.is_dataclass(kind):
        return [typing.cast("type", kind)]
    return [found for part in typing.get_args(kind) for found in _records(part)]


_PLAIN = frozenset({str, int, bool, types.NoneType})
_Write = Callable[[Any], Any]


@cache
def _record_writer(cls: type) -> _Write:
    """The function that makes a dict of a ``cls``. Fields whose type is JSON already are taken as they are."""
    names, hints = _field_names(cls), typing.get_type_hints(cls)
    if len(names) < 2:
        return lambda value: {name: encode(getattr(value, name)) for name in names}
    fields = operator.attrgetter(*names)
    others = tuple((name, write) for name in names if (write := _writer(hints[name])) is not None)

    def write_record(value: Any) -> dict[str, Any]:
        made = dict(zip(names, fields(value), strict=True))
        for name, write in others:
            made[name] = write(made[name])
        return made

    return write_record


def _writer(kind: Any) -> _Write | None:
    """The function that makes JSON of a field of this type; ``None`` if there is nothing to do."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind in _PLAIN or (origin is Literal and all(type(each) in _PLAIN for each in arguments)):
        return None
    if dataclasses.is_dataclass(kind):
        return _record_writer(typing.cast("type", kind))
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        inner = _writer(arguments[0])
        return list if inner is None else lambda value: [inner(item) for item in value]
    if origin in (Union, types.UnionType) and len(arguments) == 2 and arguments[1] is types.NoneType:
        some = _writer(arguments[0])
        return None if some is None else lambda value: None if value is None else some(value)
    return encode


def _refuse(path: str, problem: str, kind: type[Invalid] = Invalid, *, code: str = "bad_message") -> Invalid:
    where = f"field {path.lstrip('.')!r}" if path else "the message"
    return kind(code, f"{where} {problem}")


@cache
def _fields(cls: type) -> tuple[dataclasses.Field[Any], ...]:
    """The fields that JSON holds, in order."""
    return tuple(field for field in dataclasses.fields(cls) if "local" not in field.metadata)


@cache
def _field_names(cls: type) -> tuple[str, ...]:
    return tuple(field.name for field in _fields(cls))


@cache
def _checker(kind: Any, mode: _Mode, limit: AtMost | None = None) -> _Check:  # noqa: PLR0911 - one for each kind of field
    """The function that turns a JSON value into ``kind`` or raises; ``limit`` is the field's own."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        return _checker(arguments[0], mode, limits.limit_in(arguments))
    if kind is str and mode is _Mode.BOUNDED:
        return _short_text(limit or limits.TEXT)
    if kind in (str, int, bool):
        return _exactly(kind)
    if dataclasses.is_dataclass(kind):
        return _record(typing.cast("type", kind), mode)
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return _sequence(_checker(arguments[0], mode), (limit or limits.ITEMS) if mode is _Mode.BOUNDED else None)
    if origin is tuple:
        return _fixed(tuple(_checker(part, mode) for part in arguments))
    if origin is Literal:
        return _one_of(arguments, lambda value: value)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return _one_of(tuple(member.value for member in kind), kind)
    if origin in (Union, types.UnionType) and len(arguments) == 2 and arguments[1] is types.NoneType:
        return _optional(_checker(arguments[0], mode, limit))
    raise TypeError(f"a message cannot hold {kind!r}")


_KINDS = {str: "text", int: "a whole number", bool: "true or false"}


def _exactly(kind: type) -> _Check:
    def check(value: Any, path: str) -> Any:
        if type(value) is not kind:
            raise _refuse(path, f"must be {_KINDS[kind]}")
        return value

    return check


def _short_text(limit: AtMost) -> _Check:
    def check(value: Any, path: str) -> Any:
        if type(value) is not str:
            raise _refuse(path, f"must be {_KINDS[str]}")
        if len(value) > limit.most:
            raise _refuse(path, f"must have at most {limit.most} letters, not {len(value)}", code=limit.code)
        return value

    return check


def _optional(inner: _Check) -> _Check:
    return lambda value, path: None if value is None else inner(value, path)


def _one_of(allowed: tuple[Any, ...], make: Callable[[Any], Any]) -> _Check:
    known = frozenset(allowed)

    def check(value: Any, path: str) -> Any:
        if type(value) is not str or value not in known:
            kind = Unknown if type(value) is str else Invalid
            raise _refuse(path, f"must be one of {', '.join(sorted(known))}", kind)
        return make(value)

    return check


def _sequence(inner: _Check, limit: AtMost | None) -> _Check:
    def check(value: Any, path: str) -> Any:
        if type(value) is not list:
            raise _refuse(path, "must be a list")
        if limit is not None and len(value) > limit.most:
            raise _refuse(path, f"must have at most {limit.most} items, not {len(value)}", code=limit.code)
        return tuple([inner(item, f"{path}[{index}]") for index, item in enumerate(value)])

    return check


def _fixed(parts: tuple[_Check, ...]) -> _Check:
    def check(value: Any, path: str) -> Any:
        if type(value) is not list or len(value) != len(parts):
            raise _refuse(path, f"must be a list of {len(parts)}")
        return tuple([part(item, f"{path}[{i}]") for i, (part, item) in enumerate(zip(parts, value, strict=True))])

    return check


def _record(cls: type, mode: _Mode) -> _Check:
    hints = typing.get_type_hints(cls, include_extras=mode is _Mode.BOUNDED)
    known, lenient = _fields(cls), mode is _Mode.ANSWER
    fields = [(field.name, f".{field.name}", _checker(hints[field.name], mode)) for field in known]
    names = frozenset(_field_names(cls))
    defaults = {field.name: field.default for field in known if field.default is not dataclasses.MISSING}

    def check(value: Any, path: str) -> Any:
        if type(value) is not dict:
            raise _refuse(path, "must be an object")
        if value.keys() == names:
            return cls(*[read(value[name], path + suffix) for name, suffix, read in fields])
        if not lenient and (unknown := sorted(value.keys() - names)):
            raise _refuse(f"{path}.{unknown[0][:40]}", "is unknown", Unknown)
        if missing := sorted(names - value.keys() - defaults.keys()):
            raise _refuse(f"{path}.{missing[0]}", "is missing")
        return cls(
            *[read(value[name], path + suffix) if name in value else defaults[name] for name, suffix, read in fields]
        )

    return check


def type_name(message: type) -> str:
    """The ``type`` of a message on the wire: ``SignUser`` travels as ``sign_user``."""
    name = message.__name__
    return "".join(f"_{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(name))
