#!/bin/sh
# Guess: a certificate that asyncssh makes with touch_required=False is read by everything that reads OpenSSH certificates.
# Truth: its extension no-touch-required stands after permit-…, out of order; ssh-keygen reads it, cryptography refuses it.
# Date:  2026-11-30, asyncssh 2.24.1, cryptography 50.0.2, OpenSSH 9.2p1
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet install asyncssh==2.24.1 cryptography==50.0.2
ssh -V
"$folder/venv/bin/python" - "$folder/certificate.pub" <<'END'
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import asyncssh
from cryptography.hazmat.primitives.serialization import load_ssh_public_identity

print("asyncssh", version("asyncssh"), "cryptography", version("cryptography"))
authority, key = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))


def readers(**options):
    """Who reads a certificate that asyncssh made with these options."""
    made = authority.generate_user_certificate(key, "an id", principals=["deploy"], **options).export_certificate()
    Path(sys.argv[1]).write_bytes(made)
    keygen = subprocess.run(["ssh-keygen", "-L", "-f", sys.argv[1]], capture_output=True, text=True, check=False)
    try:
        load_ssh_public_identity(made)
        python = "reads it"
    except ValueError as error:
        python = f"refuses it: {error}"
    return {"ssh-keygen": "reads it" if keygen.returncode == 0 else "refuses it", "cryptography": python}


usual, touchless = readers(), readers(touch_required=False)
print("usual:", usual)
print("touch_required=False:", touchless)
assert usual == {"ssh-keygen": "reads it", "cryptography": "reads it"}, "it changed"
assert touchless == {"ssh-keygen": "reads it", "cryptography": "refuses it: Fields not lexically sorted"}, "it changed"
END
