#!/bin/sh
# Guess: When an administrator disables a user, Keycloak ends their sessions and sends back-channel logout tokens to the clients.
# Truth: It sends nothing: clients that rely on back-channel logout keep the person signed in. "Sign out" of the same user sends one.
# Date:  2026-11-30, Keycloak 26.7.3 (needs Java and Maven)
set -eu
folder=$(mktemp -d)
trap 'kill -9 -"$keycloak" 2>/dev/null; rm -rf "$folder"' EXIT
keycloak=0
cd "$folder"
mvn -q -B dependency:copy -Dartifact=org.keycloak:keycloak-quarkus-dist:26.7.3:zip -DoutputDirectory=.
python3 -m zipfile -e keycloak-quarkus-dist-26.7.3.zip .
cat keycloak-26.7.3/version.txt
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export KC_BOOTSTRAP_ADMIN_USERNAME=admin KC_BOOTSTRAP_ADMIN_PASSWORD=admin
setsid sh keycloak-26.7.3/bin/kc.sh start-dev --db=dev-mem --http-host=127.0.0.1 --http-port="$port" >log 2>&1 &
keycloak=$!
tries=0
touch log
until grep -q 'Listening on' log; do tries=$((tries + 1)); [ $tries -lt 300 ] || { cat log; exit 1; }; sleep 1; done
python3 - "http://127.0.0.1:$port" <<'END'
import json
import sys
import threading
import time
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

url, sent = sys.argv[1], []


class Client(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        sent.append(self.path)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


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


server = ThreadingHTTPServer(("127.0.0.1", 0), Client)
threading.Thread(target=server.serve_forever, daemon=True).start()
admin("POST", "", {"realm": "one", "enabled": True})
logout = {"backchannel.logout.url": f"http://127.0.0.1:{server.server_port}/logout"}
admin("POST", "/one/clients", {"clientId": "app", "publicClient": True, "directAccessGrantsEnabled": True, "attributes": logout})
person = {"username": "dana", "firstName": "D", "lastName": "D", "email": "d@example.com", "emailVerified": True, "enabled": True}
person["credentials"] = [{"type": "password", "value": "secret", "temporary": False}]
user = admin("POST", "/one/users", person)
sign_in("one", client_id="app", username="dana", password="secret", scope="openid")
admin("PUT", f"/one/users/{user}", {"enabled": False})
time.sleep(10)
after_disabling = len(sent)
admin("POST", f"/one/users/{user}/logout")
time.sleep(3)
print(f"logout tokens ten seconds after disabling: {after_disabling}; after signing out: {len(sent)}")
if (after_disabling, len(sent)) != (0, 1):
    raise SystemExit("it changed")
END
