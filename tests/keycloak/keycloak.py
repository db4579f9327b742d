"""A real Keycloak on loopback, set up through its own admin API, and a directory (OpenLDAP) that it may ask."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from demo.browser import Form, Page
from tests.keycloak import install
from tests.providers.providers import ORIGIN, PASSWORD, SECRET, free_port
from tests.support.issuer import NATIVE_CLIENT, WEB_CLIENT

ADMIN = "admin"
START = 240
"""Seconds for a first start, which also builds."""


@dataclass
class Keycloak:
    """The server, as its administrator sees it."""

    url: str

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """What the admin API answers below ``/admin/realms``; ids of what was made come from the Location."""
        sent = {"grant_type": "password", "client_id": "admin-cli", "username": ADMIN, "password": ADMIN}
        token = requests.post(f"{self.url}/realms/master/protocol/openid-connect/token", data=sent, timeout=30)
        headers = {"Authorization": f"Bearer {token.json()['access_token']}"}
        answer = requests.request(method, f"{self.url}/admin/realms{path}", json=body, headers=headers, timeout=60)
        assert answer.ok, (method, path, answer.status_code, answer.text)
        if answer.status_code == 201:
            return answer.headers.get("Location", "").rpartition("/")[2]
        return answer.json() if answer.content else None


@dataclass
class Realm:
    """A realm with our two clients; ``alice`` of ``/SRE`` has the test's password."""

    keycloak: Keycloak
    name: str
    clients: dict[str, str] = field(default_factory=dict)
    """Client id -> Keycloak's own id for it."""
    user: str = ""

    @property
    def issuer(self) -> str:
        """As the metadata have it."""
        return f"{self.keycloak.url}/realms/{self.name}"

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """``Keycloak.call`` below this realm."""
        return self.keycloak.call(method, f"/{self.name}{path}", body)

    def update_client(self, client_id: str, **changed: Any) -> None:
        """Changes settings of a client."""
        path = f"/clients/{self.clients[client_id]}"
        self.call("PUT", path, {**self.call("GET", path), **changed})

    def scope_id(self, name: str) -> str:
        """Keycloak's id of a client scope."""
        return next(str(scope["id"]) for scope in self.call("GET", "/client-scopes") if scope["name"] == name)

    def execution(self, provider: str) -> dict[str, Any]:
        """A step of the flow by which browsers sign in."""
        steps = self.call("GET", "/authentication/flows/browser/executions")
        return next(step for step in steps if step.get("providerId") == provider)


def make_realm(keycloak: Keycloak, name: str) -> Realm:
    """As Keycloak is shipped, with what docs/providers.md says of the clients."""
    realm = Realm(keycloak, f"{name}-{time.time_ns()}")
    name = realm.name
    keycloak.call("POST", "", {"realm": name, "enabled": True, "sslRequired": "none"})
    web = {
        "redirectUris": [f"{ORIGIN}/auth/acme/callback"],
        "publicClient": False,
        "secret": SECRET,
        "attributes": {**_logout(), "post.logout.redirect.uris": f"{ORIGIN}/sign-in"},
    }
    native = {"redirectUris": ["http://127.0.0.1/callback"], "publicClient": True, "attributes": _logout()}
    for client_id, settings in {WEB_CLIENT: web, NATIVE_CLIENT: native}.items():
        realm.clients[client_id] = realm.call("POST", "/clients", {"clientId": client_id, **settings})
    group = realm.call("POST", "/groups", {"name": "SRE"})
    realm.user = realm.call("POST", "/users", person("alice"))
    realm.call("PUT", f"/users/{realm.user}/groups/{group}")
    return realm


def person(name: str, **more: Any) -> dict[str, Any]:
    """A user with the test's password and a verified address."""
    return {
        "username": name,
        "enabled": True,
        "email": f"{name}@example.com",
        "emailVerified": True,
        "firstName": name.capitalize(),
        "lastName": "A",
        "credentials": [{"type": "password", "value": PASSWORD, "temporary": False}],
        **more,
    }


def add_groups(realm: Realm, *, full_path: bool) -> str:
    """The scope ``groups`` with its mapper, given to both clients; its id."""
    config = {
        "claim.name": "groups",
        "full.path": str(full_path).lower(),
        "id.token.claim": "true",
        "access.token.claim": "false",
        "userinfo.token.claim": "true",
    }
    mapper = {
        "name": "groups",
        "protocol": "openid-connect",
        "protocolMapper": "oidc-group-membership-mapper",
        "config": config,
    }
    scope = {"name": "groups", "protocol": "openid-connect", "protocolMappers": [mapper]}
    made: str = realm.call("POST", "/client-scopes", scope)
    for client in realm.clients.values():
        realm.call("PUT", f"/clients/{client}/optional-client-scopes/{made}")
    return made


def _logout() -> dict[str, str]:
    return {
        "backchannel.logout.url": f"{ORIGIN}/auth/acme/logout",
        "backchannel.logout.session.required": "true",
    }


def fill_in(page: Page, name: str = "alice") -> tuple[Form, dict[str, str]] | None:
    """What somebody types at Keycloak's pages: name and password; and yes, sign me out."""
    for form in page.forms:
        if "login-actions/authenticate" in form.action:
            return form, {"username": name, "password": PASSWORD}
        if "logout-confirm" in form.action:
            return form, {"confirmLogout": "Logout"}
    return None


@contextmanager
def running(folder: Path) -> Iterator[Keycloak]:
    """Keycloak on a free port, with nothing in it."""
    port, log = free_port(), folder / "keycloak.log"
    command: list[str | Path] = [
        install.KEYCLOAK / "bin" / "kc.sh",
        "start-dev",
        "--http-host=127.0.0.1",
        f"--http-port={port}",
        "--db=dev-mem",
    ]
    env = {
        **os.environ,
        "KC_BOOTSTRAP_ADMIN_USERNAME": ADMIN,
        "KC_BOOTSTRAP_ADMIN_PASSWORD": ADMIN,
        "JAVA_OPTS_APPEND": "-XX:TieredStopAtLevel=1",
    }
    with log.open("wb") as written:
        started = subprocess.Popen(command, env=env, stdout=written, stderr=written, start_new_session=True)
    try:
        late = time.monotonic() + START
        while b"Listening on" not in log.read_bytes():
            assert started.poll() is None, log.read_text()
            assert time.monotonic() < late, log.read_text()
            time.sleep(0.2)
        yield Keycloak(f"http://127.0.0.1:{port}")
    finally:
        with suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGKILL)
        started.wait()


LDIF = """\
dn: dc=example,dc=com
objectClass: dcObject
objectClass: organization
o: Example
dc: example

dn: ou=people,dc=example,dc=com
objectClass: organizationalUnit
ou: people

dn: ou=groups,dc=example,dc=com
objectClass: organizationalUnit
ou: groups

dn: uid=dana,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
uid: dana
cn: Dana D
givenName: Dana
sn: D
mail: dana@example.com
userPassword: {password}

dn: cn=SRE,ou=groups,dc=example,dc=com
objectClass: groupOfNames
cn: SRE
member: uid=dana,ou=people,dc=example,dc=com
member: cn=nobody
"""
BASE = "dc=example,dc=com"


_SETTINGS = """\
include {home}/etc/ldap/schema/core.schema
include {home}/etc/ldap/schema/cosine.schema
include {home}/etc/ldap/schema/inetorgperson.schema
modulepath {home}/usr/lib/ldap
moduleload back_mdb
database mdb
suffix {base}
rootdn cn=admin,{base}
rootpw {admin}
directory {data}
"""


@dataclass
class Directory:
    """OpenLDAP with one person and one group."""

    url: str

    def modify(self, ldif: str) -> None:
        """Changes entries, as the directory's administrator."""
        tool: list[str | Path] = [install.DIRECTORY / "usr" / "bin" / "ldapmodify", "-x", "-H", self.url]
        bound = ["-D", f"cn=admin,{BASE}", "-w", ADMIN]
        subprocess.run([*tool, *bound], input=ldif.encode(), check=True, capture_output=True, env=_libraries())


@contextmanager
def directory(folder: Path) -> Iterator[Directory]:
    """OpenLDAP on a free port."""
    data, settings = folder / "ldap", folder / "slapd.conf"
    data.mkdir()
    settings.write_text(_SETTINGS.format(home=install.DIRECTORY, base=BASE, admin=ADMIN, data=data))
    program = install.DIRECTORY / "usr" / "sbin" / "slapd"
    written = LDIF.format(password=PASSWORD).encode()
    add: list[str | Path] = [program, "-T", "add", "-f", settings]
    subprocess.run(add, input=written, check=True, capture_output=True, env=_libraries())
    url = f"ldap://127.0.0.1:{free_port()}"
    with (folder / "slapd.log").open("wb") as log:
        serve: list[str | Path] = [program, "-h", url, "-f", settings, "-d", "0"]
        started = subprocess.Popen(serve, stdout=log, stderr=log, env=_libraries())
    try:
        _wait_for(url, started)
        yield Directory(url)
    finally:
        started.kill()
        started.wait()


def _wait_for(url: str, started: subprocess.Popen[bytes]) -> None:
    late = time.monotonic() + 30
    while True:
        assert started.poll() is None, "slapd ended"
        try:
            socket.create_connection(("127.0.0.1", urlsplit(url).port or 0), timeout=5).close()
        except OSError:
            assert time.monotonic() < late
            time.sleep(0.05)
        else:
            return


def _libraries() -> dict[str, str]:
    return {**os.environ, "LD_LIBRARY_PATH": install.library_path()}


def federate(realm: Realm, ldap: Directory, *, cache: str = "NO_CACHE") -> str:
    """User federation to the directory, with its groups: what docs/providers.md says; the id of the federation."""
    parent = realm.keycloak.call("GET", f"/{realm.name}")["id"]
    users = {
        "vendor": "other",
        "connectionUrl": ldap.url,
        "bindDn": f"cn=admin,{BASE}",
        "bindCredential": ADMIN,
        "authType": "simple",
        "usersDn": f"ou=people,{BASE}",
        "usernameLDAPAttribute": "uid",
        "rdnLDAPAttribute": "uid",
        "uuidLDAPAttribute": "entryUUID",
        "userObjectClasses": "inetOrgPerson",
        "editMode": "READ_ONLY",
        "trustEmail": "true",
        "cachePolicy": cache,
    }
    made: str = realm.call("POST", "/components", component("directory", "ldap", STORAGE, parent, users))
    (first,) = [mapper for mapper in realm.call("GET", f"/components?parent={made}") if mapper["name"] == "first name"]
    first["config"]["ldap.attribute"] = ["givenName"]  # as shipped it is cn, which makes "Dana D D" of Dana D
    realm.call("PUT", f"/components/{first['id']}", first)
    groups = {
        "groups.dn": f"ou=groups,{BASE}",
        "group.name.ldap.attribute": "cn",
        "group.object.classes": "groupOfNames",
        "membership.ldap.attribute": "member",
        "membership.attribute.type": "DN",
        "mode": "READ_ONLY",
        "user.roles.retrieve.strategy": "LOAD_GROUPS_BY_MEMBER_ATTRIBUTE",
        "groups.path": "/",
    }
    realm.call("POST", "/components", component("groups", "group-ldap-mapper", MAPPER, made, groups))
    return made


STORAGE = "org.keycloak.storage.UserStorageProvider"
MAPPER = "org.keycloak.storage.ldap.mappers.LDAPStorageMapper"


def component(name: str, provider: str, kind: str, parent: str, config: dict[str, str]) -> dict[str, Any]:
    """What Keycloak calls a component: a federation, a mapper of one, a source of keys."""
    listed = {key: [value] for key, value in config.items()}
    return {"name": name, "providerId": provider, "providerType": kind, "parentId": parent, "config": listed}
