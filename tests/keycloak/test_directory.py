"""A person of an LDAP directory signs in through Keycloak, and gets a role by a group of the directory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.keycloak import install
from tests.keycloak.keycloak import (
    BASE,
    Directory,
    Keycloak,
    Realm,
    add_groups,
    directory,
    federate,
    fill_in,
    make_realm,
)
from tests.providers.providers import Walker, world


@pytest.fixture(scope="module")
def ldap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Directory]:
    assert install.install() == 0
    with directory(tmp_path_factory.mktemp("openldap")) as started:
        yield started


def test_a_person_of_the_directory_gets_a_role_by_its_group_until_it_says_otherwise(
    keycloak: Keycloak, ldap: Directory, tmp_path: Path
) -> None:
    """Without a cache between them, as docs/providers.md says: the next sign-in has what the directory says."""
    realm = _bridge(keycloak, ldap)
    dana = _dana()
    with world(tmp_path, realm.issuer, ALGORITHMS) as here:
        for login in (here.web(dana), here.native(dana)):
            assert (login.groups, login.roles) == (("SRE",), ("sre",))
            assert (login.person.name, login.verified) == ("Dana D", ("dana@example.com",))
        with _out_of_the_group(ldap):
            assert here.web(dana).groups == ()
        assert here.web(dana).groups == ("SRE",)


def test_as_shipped_keycloak_goes_on_with_the_groups_that_it_once_read(
    keycloak: Keycloak, ldap: Directory, tmp_path: Path
) -> None:
    realm = _bridge(keycloak, ldap, cache="DEFAULT")
    with world(tmp_path, realm.issuer, ALGORITHMS) as here:
        assert here.web(_dana()).groups == ("SRE",)
        with _out_of_the_group(ldap):
            assert here.web(_dana(), fresh=True).groups == ("SRE",), "a sign-in with the password"


ALGORITHMS = 'algorithms = ["RS256"]'


def _bridge(keycloak: Keycloak, ldap: Directory, cache: str = "NO_CACHE") -> Realm:
    realm = make_realm(keycloak, "bridge")
    add_groups(realm, full_path=False)
    federate(realm, ldap, cache=cache)
    return realm


def _dana() -> Walker:
    return Walker(fill=partial(fill_in, name="dana"))


@contextmanager
def _out_of_the_group(ldap: Directory) -> Iterator[None]:
    change = f"dn: cn=SRE,ou=groups,{BASE}\nchangetype: modify\n{{}}: member\nmember: uid=dana,ou=people,{BASE}\n"
    ldap.modify(change.format("delete"))
    try:
        yield
    finally:
        ldap.modify(change.format("add"))
