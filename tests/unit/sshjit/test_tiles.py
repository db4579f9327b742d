"""Tiles: names and widths of the C2SP tlog-tiles text, and proofs from tiles that are the definition's."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sshjit import merkle, tiles
from sshjit.errors import Invalid
from sshjit.tiles import Tile
from tests.unit.sshjit.core_world import quick

LEAVES = [hashlib.sha256(number.to_bytes(4, "big")).digest() for number in range(70_000)]


def grown(size: int) -> merkle.Frontier:
    tree = merkle.Frontier()
    for leaf in LEAVES[:size]:
        tree.append(leaf)
    return tree


@pytest.mark.parametrize(
    ("name", "tile"),
    [
        ("tile/0/000", Tile(0, 0)),
        ("tile/0/x001/x234/067", Tile(0, 1_234_067)),
        ("tile/0/x001/x234/067.p/112", Tile(0, 1_234_067, 112)),
        ("tile/2/000.p/1", Tile(2, 0, 1)),
        ("tile/63/999", Tile(63, 999)),
        ("tile/entries/x001/000", Tile(None, 1000)),
        ("tile/entries/273.p/112", Tile(None, 273, 112)),
    ],
)
def test_names_are_those_of_the_specification(name: str, tile: Tile) -> None:
    assert tiles.parse(name) == tile
    assert tile.name == name


@pytest.mark.parametrize(
    "name",
    [
        *("", "checkpoint", "tile/", "tile/0", "tile/0/0", "tile/00/000", "tile/64/000", "tile/-1/000", "tile/0/1000"),
        *("tile/0/x000/001", "tile/0/001/002", "tile/0/x001", "tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/01"),
        *("tile/0/000.p/", "tile/0/../000", "tile/entries/000\n", "tile/data/000", "/tile/0/000"),
        "tile/0/\u0660\u0660\u0660",
        "tile/0/x999/x999/x999/x999/x999/x999/999",
    ],
)
def test_a_tile_has_one_spelling(name: str) -> None:
    with pytest.raises(Invalid):
        tiles.parse(name)


def test_seventy_thousand_entries_are_the_specification_s_example() -> None:
    """273 full tiles and one of 112 at level 0, one full and one of 17 at level 1, one of width 1 at level 2."""
    tree = grown(70_000)
    assert [len(tiles.heads(bytes(tree.tiles), level)) for level in (1, 2, 3)] == [273, 1, 0]
    there = [Tile(0, 272), Tile(0, 273, 112), Tile(1, 0), Tile(1, 1, 17), Tile(2, 0, 1), Tile(None, 273, 112)]
    assert all(tile.within(70_000) for tile in there)
    not_there = [Tile(0, 273), Tile(0, 273, 113), Tile(1, 1, 18), Tile(2, 0, 2), Tile(3, 0, 1), Tile(None, 274, 1)]
    assert not any(tile.within(70_000) for tile in not_there)
    assert tiles.heads(bytes(tree.tiles), 1)[5] == merkle.head(LEAVES[5 * 256 : 6 * 256])
    assert tiles.heads(bytes(tree.tiles), 2)[0] == merkle.head(LEAVES[: 256 * 256])


@pytest.mark.parametrize("size", [1, 255, 256, 257, 511, 512, 513, 1000, 1024, 3000])
def test_proofs_from_tiles_are_the_definition_s(size: int) -> None:
    tree, last = grown(size), size - size % 256
    for index in sorted({0, 1, 255, 256, 257, size // 2, last - 1, last, size - 1} & set(range(size))):
        first = index - index % 256
        own = LEAVES[first : min(first + 256, size)]
        proof = tiles.inclusion_proof(index, size, bytes(tree.tiles), own, LEAVES[last:size])
        assert proof == merkle.inclusion_proof(index, LEAVES[:size])


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 511, 512, 513, 1000, 1024, 1281, 3000])
def test_proofs_of_consistency_from_tiles_are_the_definition_s(size: int) -> None:
    """From each size around the edges of tiles, of which the smaller tree may end in the middle."""
    tree, last = grown(size), size - size % 256
    wanted = {1, 2, 3, 254, 255, 256, 257, 511, 512, 513, 767, 768, 769, size // 2, size // 3, last, size - 1, size}
    for old in sorted(wanted & set(range(1, size + 1))):
        first = (old - 1) // 256 * 256
        own = LEAVES[first : min(first + 256, size)]
        proof = tiles.consistency_proof(old, size, bytes(tree.tiles), own, LEAVES[last:size])
        assert proof == merkle.consistency_proof(old, LEAVES[:size])


@pytest.mark.parametrize("old", [-1, 0, 301])
def test_of_no_leaves_or_more_than_there_are_nothing_is_proved(old: int) -> None:
    with pytest.raises(Invalid, match="has no proof"):
        tiles.consistency_proof(old, 300, bytes(grown(300).tiles), LEAVES[256:300], LEAVES[256:300])


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 700, 1024, 5000])
def test_a_frontier_is_made_again_from_tiles_and_the_leaves_after_them(size: int) -> None:
    tree, full = grown(size), size - size % 256
    again = merkle.Frontier.of(bytes(tree.tiles), LEAVES[full:size])
    assert (again.size, again.head(), again.tiles) == (size, tree.head(), tree.tiles)
    for leaf in LEAVES[size : size + 600]:
        tree.append(leaf)
        again.append(leaf)
    assert (again.head(), again.tiles) == (tree.head(), tree.tiles)


@quick
@given(st.lists(st.binary(max_size=300), max_size=20))
def test_bundles_read_back(entries: list[bytes]) -> None:
    raw = tiles.bundle(entries)
    assert tiles.unbundle(raw) == entries
    if raw:
        with pytest.raises(Invalid):
            tiles.unbundle(raw[:-1] if entries[-1] else raw + b"\0")


def test_t70_the_largest_entry_fits_a_bundle() -> None:
    entry = bytes(65_535)
    assert tiles.unbundle(tiles.bundle([entry, b"x"])) == [entry, b"x"]


@quick
@given(st.one_of(st.none(), st.integers(0, 63)), st.integers(0, 2**40 - 1), st.integers(1, 256))
def test_every_name_reads_back(level: int | None, number: int, width: int) -> None:
    tile = Tile(level, number, width)
    assert tiles.parse(tile.name) == tile
