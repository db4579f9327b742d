#!/bin/sh
# Guess: Keycloak with LDAP federation puts the directory's groups of now into the token of a new sign-in with the password.
# Truth: As shipped (cache policy DEFAULT) it goes on with the groups that it once read; only cache policy NO_CACHE reads them anew.
# Date:  2026-11-30, Keycloak 26.7.3, OpenLDAP 2.5.13 (needs Java and Maven; unpacks Debian 12's slapd)
set -eu
folder=$(mktemp -d)
keycloak=0 slapd=0
trap 'kill -9 -"$keycloak" "$slapd" 2>/dev/null; rm -rf "$folder"' EXIT
cd "$folder"
mvn -q -B dependency:copy -Dartifact=org.keycloak:keycloak-quarkus-dist:26.7.3:zip -DoutputDirectory=.
python3 -m zipfile -e keycloak-quarkus-dist-26.7.3.zip .
cat keycloak-26.7.3/version.txt
apt-get -q download slapd ldap-utils libldap-2.5-0 libltdl7 libodbc2 libwrap0 >apt.log 2>&1
for deb in *.deb; do dpkg-deb -x "$deb" ldap; done
ls slapd_*.deb
free() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
port=$(free) ldap=ldap://127.0.0.1:$(free)
LD_LIBRARY_PATH=$folder/ldap/usr/lib/$(uname -m)-linux-gnu
export LD_LIBRARY_PATH KC_BOOTSTRAP_ADMIN_USERNAME=admin KC_BOOTSTRAP_ADMIN_PASSWORD=admin
mkdir data
for schema in core cosine inetorgperson; do echo "include $folder/ldap/etc/ldap/schema/$schema.schema"; done >slapd.conf
cat >>slapd.conf <<END
modulepath $folder/ldap/usr/lib/ldap
moduleload back_mdb
database mdb
suffix dc=example,dc=com
rootdn cn=admin,dc=example,dc=com
rootpw admin
directory $folder/data
END
ldap/usr/sbin/slapd -T add -f slapd.conf <<'END'
dn: dc=example,dc=com
objectClass: dcObject
objectClass: organization
o: Example
dc: example

dn: uid=dana,dc=example,dc=com
objectClass: inetOrgPerson
uid: dana
cn: Dana
givenName: Dana
sn: D
mail: dana@example.com
userPassword: secret

dn: cn=admins,dc=example,dc=com
objectClass: groupOfNames
cn: admins
member: uid=dana,dc=example,dc=com
member: cn=nobody
END
ldap/usr/sbin/slapd -h "$ldap" -f slapd.conf -d 0 >slapd.log 2>&1 &
slapd=$!
env -u LD_LIBRARY_PATH setsid sh keycloak-26.7.3/bin/kc.sh start-dev --db=dev-mem --http-host=127.0.0.1 --http-port="$port" >log 2>&1 &
keycloak=$!
tries=0
touch log
until grep -q 'Listening on' log; do tries=$((tries + 1)); [ $tries -lt 300 ] || { cat log; exit 1; }; sleep 1; done
python3 - "http://127.0.0.1:$port" "$ldap" <<'END'
import base64
import json
import subprocess
import sys
import urllib.parse
import urllib.request

url, ldap = sys.argv[1:]
BASE = "dc=example,dc=com"


def ask(method, path, body=None, token=None, form=False):
    data = urllib.parse.urlencode(body).encode() if form else json.dumps(body).encode() if body else None
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    headers |= {} if form else {"Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(url + path, data, headers, method=method)) as answer:
        text = answer.read()
        return json.loads(text) if text else answer.headers.get("Location", "").rpartition("/")[2]


def sign_in(realm, **form):
    return ask("POST", f"/realms/{realm}/protocol/openid-connect/token", {"grant_type": "password", **form}, form=True)


def admin(method, path, body=None):
    token = sign_in("master", client_id="admin-cli", username="admin", password="admin")["access_token"]
    return ask(method, f"/admin/realms{path}", body, token)


def change(how):
    text = f"dn: cn=admins,{BASE}\nchangetype: modify\n{how}: member\nmember: uid=dana,{BASE}\n"
    tool = ["ldap/usr/bin/ldapmodify", "-x", "-H", ldap, "-D", f"cn=admin,{BASE}", "-w", "admin"]
    subprocess.run(tool, input=text.encode(), check=True, capture_output=True)


def component(name, provider, kind, parent, **config):
    listed = {key.replace("_", "."): [value] for key, value in config.items()}
    made = {"name": name, "providerId": provider, "providerType": f"org.keycloak.storage.{kind}", "parentId": parent}
    return {**made, "config": listed}


def groups(realm):
    token = sign_in(realm, client_id="app", username="dana", password="secret", scope="openid")["id_token"]
    return json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "==")).get("groups", [])


seen = {}
for policy in ("DEFAULT", "NO_CACHE"):
    realm = policy.lower()
    admin("POST", "", {"realm": realm, "enabled": True})
    mapper = {"name": "groups", "protocol": "openid-connect", "protocolMapper": "oidc-group-membership-mapper"}
    mapper["config"] = {"claim.name": "groups", "id.token.claim": "true", "full.path": "false"}
    app = {"clientId": "app", "publicClient": True, "directAccessGrantsEnabled": True, "protocolMappers": [mapper]}
    admin("POST", f"/{realm}/clients", app)
    parent = admin("GET", f"/{realm}")["id"]
    users = dict(vendor="other", connectionUrl=ldap, bindDn=f"cn=admin,{BASE}", bindCredential="admin", usersDn=BASE)
    users |= dict(usernameLDAPAttribute="uid", rdnLDAPAttribute="uid", uuidLDAPAttribute="entryUUID", authType="simple")
    users |= dict(userObjectClasses="inetOrgPerson", editMode="READ_ONLY", cachePolicy=policy)
    made = admin("POST", f"/{realm}/components", component("ldap", "ldap", "UserStorageProvider", parent, **users))
    listed = {"groups_dn": BASE, "group_name_ldap_attribute": "cn", "group_object_classes": "groupOfNames"}
    listed |= {"membership_ldap_attribute": "member", "membership_attribute_type": "DN", "mode": "READ_ONLY"}
    listed |= {"user_roles_retrieve_strategy": "LOAD_GROUPS_BY_MEMBER_ATTRIBUTE", "groups_path": "/"}
    mapping = component("groups", "group-ldap-mapper", "ldap.mappers.LDAPStorageMapper", made, **listed)
    admin("POST", f"/{realm}/components", mapping)
    before = groups(realm)
    change("delete")
    seen[policy] = before, groups(realm)
    change("add")
    print(f"cache policy {policy}: groups before {before}, after leaving the group {seen[policy][1]}")
if seen != {"DEFAULT": (["admins"], ["admins"]), "NO_CACHE": (["admins"], [])}:
    raise SystemExit("it changed")
END
