"""Tiles: how other people's tools read the log, as C2SP tlog-tiles.

A tile is up to 256 hashes of one level of the tree, or 256 entries in a bundle; only the last of a level is partial,
and its width is part of its name. This file knows names and bytes; where hashes and entries come from is the CA's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sshjit import merkle
from sshjit.errors import Invalid
from sshjit.merkle import TILE

MAX_LEVEL = 63
_MAX_NUMBER = 2**40
_NAME = re.compile(
    r"tile/(?P<level>entries|0|[1-9][0-9]?)/(?P<number>(?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
)


@dataclass(frozen=True, slots=True)
class Tile:
    """A tile's place: ``level`` of the tree (``None``: a bundle of entries), ``number`` in it, hashes or entries."""

    level: int | None
    number: int
    width: int = TILE

    def __post_init__(self) -> None:
        """A tile that exists has a name."""
        level = self.level or 0
        if not (0 <= level <= MAX_LEVEL and 0 <= self.number < _MAX_NUMBER and 0 < self.width <= TILE):
            raise Invalid("bad_tile", "there can be no such tile")

    @property
    def name(self) -> str:
        """``tile/1/x001/234.p/5``."""
        digits = str(self.number)
        groups = [digits[max(0, end - 3) : end].zfill(3) for end in range(len(digits), 0, -3)][::-1]
        path = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
        level = "entries" if self.level is None else self.level
        return f"tile/{level}/{path}" + (f".p/{self.width}" if self.width < TILE else "")

    @property
    def partial(self) -> bool:
        """Whether the tile may grow out of use."""
        return self.width < TILE

    @property
    def first(self) -> int:
        """The first hash of the tile, counted in its level (for a bundle: the first entry)."""
        return self.number * TILE

    def within(self, size: int) -> bool:
        """Whether a tree of ``size`` leaves has this tile, or had it when it was smaller."""
        complete = size >> (8 * (self.level or 0))
        return self.first + self.width <= complete


def parse(name: str) -> Tile:
    """The tile of a name.

    Raises:
        Invalid: ``bad_tile``; each tile has one spelling.

    """
    match = _NAME.fullmatch(name)
    if match is None or not name.isascii():
        raise Invalid("bad_tile", "that is not the name of a tile")
    level = None if match["level"] == "entries" else int(match["level"])
    number = int(match["number"].replace("/", "").replace("x", ""))
    width = TILE if match["width"] is None else int(match["width"])
    tile = Tile(level, number, width)
    if tile.name != name:
        raise Invalid("bad_tile", "that is not the one spelling of a tile's name")
    return tile


def bundle(entries: Sequence[bytes]) -> bytes:
    """An entry bundle: each entry after its length, two bytes, big-endian."""
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def unbundle(raw: bytes) -> list[bytes]:
    """The entries of a bundle.

    Raises:
        Invalid: ``bad_tile``.

    """
    entries, at = [], 0
    while at < len(raw):
        end = at + 2 + int.from_bytes(raw[at : at + 2], "big")
        if at + 2 > len(raw) or end > len(raw):
            raise Invalid("bad_tile", "the bundle ends inside an entry")
        entries.append(raw[at + 2 : end])
        at = end
    return entries


def heads(tiles: bytes, level: int) -> list[bytes]:
    """The hashes of a level, 1 or higher, from those of level 1 (``merkle.Frontier.tiles``)."""
    hashes = [bytes(tiles[at : at + 32]) for at in range(0, len(tiles), 32)]
    for _ in range(level - 1):
        hashes = [merkle.head(hashes[at : at + TILE]) for at in range(0, len(hashes) - TILE + 1, TILE)]
    return hashes


def inclusion_proof(
    index: int, size: int, tiles: bytes, own: Sequence[bytes], last: Sequence[bytes]
) -> tuple[bytes, ...]:
    """The path from leaf ``index`` to the head over ``size`` leaves.

    ``tiles`` are the heads of the complete tiles of level 0, ``own`` the leaf hashes of the leaf's own tile, ``last``
    those of the last, partial tile (empty if there is none).
    """
    tops = heads(tiles, 1)[: size // TILE]
    if last:
        tops.append(merkle.head(last))
    return (*merkle.inclusion_proof(index % TILE, own), *merkle.inclusion_proof(index // TILE, tops))


def consistency_proof(
    old: int, size: int, tiles: bytes, own: Sequence[bytes], last: Sequence[bytes]
) -> tuple[bytes, ...]:
    """That the tree over the first ``old`` leaves, one or more, is a beginning of the tree over ``size``.

    ``tiles`` and ``last`` as for ``inclusion_proof``; ``own`` are the leaf hashes of the tile, as it is in the larger
    tree, in which leaf ``old - 1`` stands.

    Raises:
        Invalid: ``bad_proof``.

    """
    if not 0 < old <= size:
        raise Invalid("bad_proof", f"a tree of {size} leaves has no proof about its first {old}")
    tops = heads(tiles, 1)[: size // TILE]
    if last:
        tops.append(merkle.head(last))

    def path(first: int, end: int, *, whole: bool) -> tuple[bytes, ...]:
        """The same within the tops from ``first`` to before ``end``; ``whole``: the older tree begins there."""
        if old == min(end * TILE, size):
            return () if whole else (merkle.head(tops[first:end]),)
        if end - first == 1:
            return merkle.consistency(old - first * TILE, own, whole=whole)
        middle = first + merkle.left_size(end - first)
        if old <= middle * TILE:
            return (*path(first, middle, whole=whole), merkle.head(tops[middle:end]))
        return (*path(middle, end, whole=False), merkle.head(tops[first:middle]))

    return path(0, len(tops), whole=True)
