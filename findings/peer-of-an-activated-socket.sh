#!/bin/sh
# Guess: A client that asks SO_PEERCRED of a Unix socket learns as whom the service runs that answers.
# Truth: It learns who called listen(): with socket activation systemd, root, also where the service runs as nobody.
# Date:  2026-11-30, systemd 252.39 on Linux 6.18 (unix(7) names connect, listen and socketpair)
set -eu
folder=$(mktemp -d)
server=
trap 'kill $server 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
chmod 755 .
apt-get -qq download systemd=252.39-1~deb12u2 libsystemd-shared=252.39-1~deb12u2
for package in *.deb; do dpkg -x "$package" .; done
LD_LIBRARY_PATH=$(dirname "$(find "$folder" -name 'libsystemd-shared-*.so')")
export LD_LIBRARY_PATH
usr/bin/systemd-socket-activate --version | head -1
cat >service.py <<'P'
import os, socket
connection, _ = socket.socket(fileno=3).accept()
connection.sendall(str(os.getuid()).encode())
P
usr/bin/systemd-socket-activate -l "$folder/socket" setpriv --reuid=65534 --clear-groups \
    /usr/bin/python3 "$folder/service.py" 2>/dev/null &
server=$!
tries=0
until [ -S socket ] || [ $((tries += 1)) -gt 50 ]; do sleep 0.1; done
/usr/bin/python3 - <<'P'
import socket, struct
client = socket.socket(socket.AF_UNIX)
client.connect("socket")
runs_as = int(client.recv(16))
_, shown, _ = struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
print(f"the service runs as {runs_as}, SO_PEERCRED says {shown}")
if (runs_as, shown) != (65534, 0):
    raise SystemExit("it changed")
P
