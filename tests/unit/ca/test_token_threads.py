"""A library that was told of one thread is entered by one at a time: else it breaks, and the CA with it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from sshjit.errors import Failed
from sshjit_ca.keys import references, tokens
from sshjit_ca.keys.locations import KeyLocations
from sshjit_ca.keys.tokens import TokenKey
from tests.support.devices import MODULE, Token
from tests.support.waiting import wait_until

BUSY = """
import sys, threading, time
from sshjit_ca.keys import probe
from sshjit_ca.keys.key_store import KeyStore
from sshjit_ca.keys.locations import KeyLocations

key_store, until, signed, problems = KeyStore(KeyLocations()), time.monotonic() + 3, [], []
keys = [(key_store.open(reference).public.fingerprint, reference) for reference in sys.argv[1:]]

def sign():
    while time.monotonic() < until:
        signed.append(key_store.signer(*keys[0]).sign(b"x"))

def look():
    while time.monotonic() < until:
        problems.extend(each.problem for each in probe.probe_all(key_store, keys).values() if each.problem)

threads = [threading.Thread(target=each) for each in (sign, look)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(signed) > 20, problems[:3])
"""


def test_keys_are_tried_while_others_sign(token: Token) -> None:
    """What ``ssh-jit-ca status`` does to a busy CA whose keys live on one token; apart, because it once fell over."""
    command = [sys.executable, "-c", BUSY, *map(token.reference, ("ed25519", "ecdsa-p256", "rsa-3072"))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=dict(os.environ))
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "True []", "")


def test_who_waits_for_a_library_in_vain_does_nothing_later(token: Token) -> None:
    reference = references.parse(token.reference("ed25519"))
    assert isinstance(reference, references.Token)
    key = TokenKey(reference, KeyLocations(), patience=0.3)
    done: list[bytes] = []
    with tokens._LIBRARIES[MODULE].inside:
        with pytest.raises(Failed, match="did not answer"):
            key._call(lambda: done.append(b"late"))
        wait_until(lambda: not any(thread.name == "token" for thread in threading.enumerate()))
    assert done == []
    key.sign(b"x")
