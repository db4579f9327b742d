"""Logs in by parallel-ssh, whose libssh is in ssh-python. ``agent`` as a word: by what ``$SSH_AUTH_SOCK`` holds."""

import os
import sys

from pssh.clients.ssh import SSHClient

by_agent = sys.argv[1:] == ["agent"]
files = {"pkey": os.environ["CLIENT_KEY"], "cert_file": os.environ["CLIENT_CERTIFICATE"]}
client = SSHClient(
    os.environ["CLIENT_ADDRESS"],
    os.environ["CLIENT_ACCOUNT"],
    port=int(os.environ["CLIENT_PORT"]),
    allow_agent=by_agent,
    identity_auth=False,
    num_retries=1,
    **({} if by_agent else files),
)
print(*client.run_command("whoami").stdout)
