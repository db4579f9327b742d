#!/bin/sh
# Guess: `ssh-keygen -O extension:NAME` and again with `=VALUE`: the last one counts, or it refuses, as with force-command twice.
# Truth: It signs both, against its own format (each name once): ssh-keygen -L and asyncssh read the certificate, cryptography refuses all of it.
# Date:  2026-11-30, OpenSSH 9.2p1 (8.4p1, 10.0p2 and 10.6p1 sign the same), cryptography 50.0.2, asyncssh 2.24.1
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get -qq download openssh-client=1:9.2p1-2+deb12u10
dpkg -x openssh-client_*.deb .
PATH=$folder/usr/bin:$PATH
ssh -V
python3 -m venv python
python/bin/pip -q install cryptography==50.0.2 asyncssh==2.24.1
ssh-keygen -q -t ed25519 -N '' -C '' -f ca
ssh-keygen -q -t ed25519 -N '' -C '' -f user
ssh-keygen -q -s ca -I id -n alice -O extension:team@example.com -O extension:team@example.com=red user.pub
ssh-keygen -L -f user-cert.pub | sed -n '/Extensions/,$p'
python/bin/python - <<'P'
import asyncssh, cryptography
from cryptography.hazmat.primitives.serialization import load_ssh_public_identity
data = open("user-cert.pub", "rb").read()
print("asyncssh", asyncssh.__version__, "reads it:", asyncssh.import_certificate(data).principals)
try:
    load_ssh_public_identity(data)
except ValueError as error:
    print("cryptography", cryptography.__version__, "refuses it:", error)
else:
    raise SystemExit("it changed")
P
