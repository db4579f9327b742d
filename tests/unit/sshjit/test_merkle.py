"""The tree of RFC 6962: the reference vectors, the definition written down a second time, and mutated proofs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sshjit import merkle
from sshjit.errors import Invalid
from tests.unit.sshjit.core_world import quick

INPUTS = [bytes.fromhex(text) for text in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
ROOTS = [bytes.fromhex(text) for text in (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)]  # fmt: skip
"""The well-known vectors of the Certificate Transparency reference: eight leaves, and the head of each size."""
LEAVES = [merkle.leaf_hash(leaf) for leaf in INPUTS]


def sha(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def split(size: int) -> int:
    """The largest power of two below ``size``, by counting."""
    power = 1
    while power * 2 < size:
        power *= 2
    return power


def defined_head(data: Sequence[bytes]) -> bytes:
    """MTH of RFC 6962, section 2.1, over the entries themselves."""
    if len(data) < 2:
        return sha(b"\0", data[0]) if data else sha()
    k = split(len(data))
    return sha(b"\1", defined_head(data[:k]), defined_head(data[k:]))


def defined_path(m: int, data: Sequence[bytes]) -> list[bytes]:
    """PATH of section 2.1.1."""
    if len(data) == 1:
        return []
    k = split(len(data))
    if m < k:
        return [*defined_path(m, data[:k]), defined_head(data[k:])]
    return [*defined_path(m - k, data[k:]), defined_head(data[:k])]


def defined_proof(m: int, data: Sequence[bytes], *, complete: bool = True) -> list[bytes]:
    """PROOF and SUBPROOF of section 2.1.2."""
    if m == len(data):
        return [] if complete else [defined_head(data)]
    k = split(len(data))
    if m <= k:
        return [*defined_proof(m, data[:k], complete=complete), defined_head(data[k:])]
    return [*defined_proof(m - k, data[k:], complete=False), defined_head(data[:k])]


@pytest.mark.parametrize("size", range(9))
def test_the_heads_are_the_reference_s(size: int) -> None:
    grown = merkle.Frontier()
    for leaf in LEAVES[:size]:
        grown.append(leaf)
    assert merkle.head(LEAVES[:size]) == grown.head() == ROOTS[size] == defined_head(INPUTS[:size])
    assert grown.size == size


def test_the_reference_s_proofs() -> None:
    assert [step.hex()[:8] for step in merkle.inclusion_proof(5, LEAVES)] == ["bc1a0643", "ca854ea1", "d37ee418"]
    assert [step.hex()[:8] for step in merkle.consistency_proof(6, LEAVES)] == ["0ebc5d34", "ca854ea1", "d37ee418"]
    assert [step.hex()[:8] for step in merkle.consistency_proof(2, LEAVES[:5])] == ["5f083f0a", "bc1a0643"]


@pytest.mark.parametrize("size", [*range(1, 20), 31, 32, 33])
def test_every_proof_is_the_definition_s_and_verifies(size: int) -> None:
    data = [bytes([number]) for number in range(size)]
    leaves = [merkle.leaf_hash(entry) for entry in data]
    root = defined_head(data)
    for index in range(size):
        proof = merkle.inclusion_proof(index, leaves)
        assert list(proof) == defined_path(index, data)
        assert merkle.included(leaves[index], index, size, proof, root)
    for old in range(1, size + 1):
        proof = merkle.consistency_proof(old, leaves)
        assert list(proof) == defined_proof(old, data)
        assert merkle.consistent(old, defined_head(data[:old]), size, root, proof)


@st.composite
def proofs(draw: st.DrawFn) -> tuple[int, list[bytes], int]:
    """(index, leaf hashes, how many bytes to look at): a tree and a place in it."""
    size = draw(st.integers(1, 40))
    salt = draw(st.binary(max_size=4))
    return draw(st.integers(0, size - 1)), [sha(salt, bytes([number])) for number in range(size)], size


@st.composite
def mutated(draw: st.DrawFn, proof: Sequence[bytes]) -> list[bytes]:
    """Another proof: one bit flipped, a step dropped, doubled, added or exchanged."""
    found = list(proof)
    at = draw(st.integers(0, len(found)))
    match draw(st.sampled_from(["flip", "drop", "swap", "add"])):
        case "flip" if at < len(found):
            step = bytearray(found[at])
            step[draw(st.integers(0, 31))] ^= 1 << draw(st.integers(0, 7))
            found[at] = bytes(step)
        case "drop" if at < len(found):
            del found[at]
        case "swap" if at + 1 < len(found):
            found[at], found[at + 1] = found[at + 1], found[at]
        case _:
            found.insert(at, draw(st.sampled_from([*found, merkle.EMPTY])))
    return found


@quick
@given(proofs(), st.data())
def test_t44_no_mutated_inclusion_proof_verifies(tree: tuple[int, list[bytes], int], data: st.DataObject) -> None:
    index, leaves, size = tree
    root, proof = merkle.head(leaves), merkle.inclusion_proof(index, leaves)
    assert merkle.included(leaves[index], index, size, proof, root)
    assert not merkle.included(leaves[index], index, size, data.draw(mutated(proof)), root)


@quick
@given(proofs(), st.data())
def test_t44_a_proof_is_bound_to_leaf_place_and_head(tree: tuple[int, list[bytes], int], data: st.DataObject) -> None:
    index, leaves, size = tree
    root, proof = merkle.head(leaves), merkle.inclusion_proof(index, leaves)
    other = data.draw(st.integers(-2, size + 2).filter(lambda place: place != index))
    assert not merkle.included(leaves[index], other, size, proof, root)
    assert not merkle.included(merkle.leaf_hash(b"forged"), index, size, proof, root)
    assert not merkle.included(leaves[index], index, size, proof, merkle.leaf_hash(root))
    assert not merkle.included(leaves[index], index, 0, proof, root)
    if size > 1:
        assert not merkle.included(
            leaves[other % size if other % size != index else index - 1], index, size, proof, root
        )


@pytest.mark.parametrize("index", range(8))
def test_t44_an_inner_node_is_not_a_leaf(index: int) -> None:
    proof = merkle.inclusion_proof(index, LEAVES)
    left, right = (LEAVES[index], proof[0]) if index % 2 == 0 else (proof[0], LEAVES[index])
    assert merkle.included(merkle.node_hash(left, right), index // 2, 4, proof[1:], ROOTS[8])
    assert merkle.leaf_hash(left + right) != merkle.node_hash(left, right)
    assert not merkle.included(merkle.leaf_hash(left + right), index // 2, 4, proof[1:], ROOTS[8])


@quick
@given(proofs(), st.data())
def test_t45_no_mutated_consistency_proof_verifies(tree: tuple[int, list[bytes], int], data: st.DataObject) -> None:
    index, leaves, size = tree
    old = index + 1
    was, now, proof = merkle.head(leaves[:old]), merkle.head(leaves), merkle.consistency_proof(old, leaves)
    assert merkle.consistent(old, was, size, now, proof)
    assert not merkle.consistent(old, was, size, now, data.draw(mutated(proof)))


@quick
@given(proofs(), st.integers(0, 39))
def test_t45_a_log_that_was_edited_or_cut_is_not_consistent(tree: tuple[int, list[bytes], int], place: int) -> None:
    index, leaves, size = tree
    old, place = index + 1, place % (index + 1)
    was = merkle.head(leaves[:old])
    edited = [*leaves[:place], merkle.leaf_hash(b"edited"), *leaves[place + 1 :]]
    assert not merkle.consistent(old, was, size, merkle.head(edited), merkle.consistency_proof(old, edited))
    if old < size:
        assert not merkle.consistent(size, merkle.head(leaves), old, was, merkle.consistency_proof(old, leaves))
        shifted = leaves[1:]
        assert not merkle.consistent(old, was, size - 1, merkle.head(shifted), merkle.consistency_proof(old, shifted))


def test_t45_everything_begins_with_the_empty_tree_and_with_nothing_else() -> None:
    assert merkle.consistent(0, merkle.EMPTY, 3, ROOTS[3], ())
    assert merkle.consistent(0, merkle.EMPTY, 0, merkle.EMPTY, ())
    assert not merkle.consistent(0, ROOTS[1], 3, ROOTS[3], ())
    assert not merkle.consistent(0, merkle.EMPTY, 3, ROOTS[3], (ROOTS[1],))
    assert not merkle.consistent(0, merkle.EMPTY, -1, ROOTS[3], ())
    assert not merkle.consistent(-1, merkle.EMPTY, 3, ROOTS[3], (ROOTS[1],))
    assert not merkle.consistent(3, ROOTS[3], 3, ROOTS[4], ())
    assert not merkle.consistent(3, ROOTS[3], 3, ROOTS[3], (ROOTS[1],))
    assert not merkle.consistent(2, ROOTS[2], 3, ROOTS[3], ())
    assert not merkle.consistent(3, ROOTS[3], 5, ROOTS[5], ())


@pytest.mark.parametrize(("index", "size"), [(0, 0), (-1, 3), (3, 3), (9, 3)])
def test_there_is_no_proof_of_a_place_outside_the_tree(index: int, size: int) -> None:
    with pytest.raises(Invalid):
        merkle.inclusion_proof(index, LEAVES[:size])
    with pytest.raises(Invalid):
        merkle.consistency_proof(index + 1 if index else 0, LEAVES[:size])


def test_a_copied_frontier_goes_its_own_way() -> None:
    one = merkle.Frontier()
    for leaf in LEAVES[:5]:
        one.append(leaf)
    twin = one.copy()
    twin.append(LEAVES[5])
    assert (one.size, one.head(), twin.size, twin.head()) == (5, ROOTS[5], 6, ROOTS[6])
