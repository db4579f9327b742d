"""Revocation lists, judged by ``ssh-keygen -Q``: ours revoke what they should, and hosts take only what sshd reads."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sshjit import sshcert
from sshjit.krl import MAGIC
from sshjit.sshcert import Certificate
from sshjit.sshkey import PublicKey
from sshjit.sshwire import U64_MAX, string, u32, u64
from sshjit_ca.access.issuance import sign_and_read_back
from sshjit_ca.keys import krl
from sshjit_ca.keys.files import FileKey, load, make
from sshjit_host.formats import krl as host_krl
from tests.unit.sshjit.core_world import broken

SOME = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
serials = st.integers(1, 40) | st.integers(2**40, 2**40 + 40) | st.integers(1, U64_MAX)


@dataclass(frozen=True)
class Registry:
    """A folder, two CAs that sign in it, and the key of somebody."""

    folder: Path
    person: PublicKey
    cas: tuple[FileKey, FileKey]

    def certificate(self, ca: FileKey, serial: int) -> Path:
        """A certificate with this serial."""
        said = Certificate(self.person, 1, serial, "id", ("a@b",), 1, 2, (), (), bytes(32), ca.public.blob)
        path = self.folder / f"{self.cas.index(ca)}-{serial}-cert.pub"
        path.write_text(sshcert.line(sign_and_read_back(said, ca)) + "\n")
        return path

    def ask(self, data: bytes, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """What ssh-keygen says of a list."""
        path = self.folder / "krl"
        path.write_bytes(data)
        return subprocess.run(["ssh-keygen", "-Q", "-f", path, *arguments], capture_output=True,
                              text=True, check=False)  # fmt: skip


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """The CAs, of two types."""
    folder = tmp_path_factory.mktemp("registry")
    make(folder / "person")
    make(folder / "one")
    make(folder / "two", "ecdsa-p384")
    return Registry(folder, load(folder / "person").public, (load(folder / "one"), load(folder / "two")))


@SOME
@given(revoked=st.sets(serials, max_size=60), asked=st.sets(serials, min_size=1, max_size=4))
def test_exactly_the_named_serials_are_revoked_under_every_ca(
    registry: Registry, revoked: set[int], asked: set[int]
) -> None:
    data = krl.write([([ca.public for ca in registry.cas], revoked)], version=1, time=1_800_000_000)
    assert host_krl.read(data).keys == ()
    tried = [(ca, serial) for ca in registry.cas for serial in (*asked, *sorted(revoked)[:3])]
    said = registry.ask(data, *(registry.certificate(ca, serial) for ca, serial in tried)).stdout
    verdicts = [line.endswith("REVOKED") for line in said.splitlines()]
    assert verdicts == [serial in revoked for _, serial in tried]


@SOME
@given(keys=st.sets(st.integers(0, 1)), revoked=st.sets(serials, max_size=3))
def test_a_ca_key_that_is_revoked_takes_all_its_certificates_along(
    registry: Registry, keys: set[int], revoked: set[int]
) -> None:
    publics = [ca.public for ca in registry.cas]
    data = krl.write([(publics, revoked)], version=1, time=1_800_000_000, keys=[publics[each] for each in keys])
    assert set(host_krl.read(data).keys) == {publics[each].blob for each in keys}
    said = registry.ask(data, *(registry.certificate(ca, 7) for ca in registry.cas)).stdout
    assert [line.endswith("REVOKED") for line in said.splitlines()] == [
        each in keys or 7 in revoked for each in range(2)
    ]


def sections(ca: bytes) -> st.SearchStrategy[bytes]:
    """The parts of a list, in order or nearly so."""
    numbers = st.integers(0, 3) | st.integers(0, U64_MAX)
    texts = st.binary(max_size=6)
    parts = st.one_of(
        st.lists(numbers, max_size=3).map(lambda found: b"\x20" + string(b"".join(map(u64, found)))),
        st.tuples(numbers, numbers).map(lambda found: b"\x21" + string(u64(found[0]) + u64(found[1]))),
        st.tuples(numbers, texts).map(lambda found: b"\x22" + string(u64(found[0]) + string(found[1]))),
        st.lists(texts, max_size=3).map(lambda found: b"\x23" + string(b"".join(map(string, found)))),
        st.tuples(st.integers(0, 255), texts).map(lambda found: bytes([found[0]]) + string(found[1])),
    )
    named = st.sampled_from([ca, ca, ca, ca[:-1], b"", b"ca"])
    certificates = st.tuples(named, texts, st.lists(parts, max_size=2)).map(
        lambda found: b"\x01" + string(string(found[0]) + string(found[1]) + b"".join(found[2]))
    )
    keys = st.lists(named, max_size=2).map(lambda found: b"\x02" + string(b"".join(map(string, found))))
    other = st.tuples(st.integers(0, 255), texts).map(lambda found: bytes([found[0]]) + string(found[1]))
    return certificates | keys | other


@settings(SOME, max_examples=200)
@given(data=st.data())
def test_t31_a_list_that_a_host_takes_is_one_that_sshd_can_read(registry: Registry, data: st.DataObject) -> None:
    made = data.draw(st.lists(sections(registry.cas[0].public.blob), max_size=3))
    head = MAGIC + u32(1) + u64(1) + u64(1) + u64(0) + string(b"") + string(b"")
    whole = head[: 8 + 4 + 24 + 8] + b"".join(made)
    if data.draw(st.booleans()):
        whole = data.draw(broken(whole))
    try:
        found = host_krl.read(whole)
    except ValueError:
        return
    shown = registry.ask(found.data, "-l")
    assert shown.returncode == 0, shown.stderr
