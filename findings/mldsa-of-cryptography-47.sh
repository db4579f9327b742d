#!/bin/sh
# Guess: cryptography 47.0.0, in which MLDSA44PrivateKey is documented as added, makes such a key with the wheel that it ships.
# Truth: the class is there, and generate() of that wheel raises UnsupportedAlgorithm; 50.0.2 makes one.
# Date:  2026-12-01, cryptography 47.0.0 and 50.0.2
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# Prints what comes of making a key by a release: the length of its signature, or the name of the error.
made() {
    python3 -m venv "$folder/$1"
    "$folder/$1/bin/pip" --quiet install "cryptography==$1"
    "$folder/$1/bin/python" - <<'END'
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

try:
    print(len(MLDSA44PrivateKey.generate().sign(b"text", b"context")), "bytes")
except Exception as error:
    print(type(error).__name__)
END
}

first=$(made 47.0.0) now=$(made 50.0.2)
echo "47.0.0: $first"
echo "50.0.2: $now"
[ "$first" = UnsupportedAlgorithm ] && [ "$now" = '2420 bytes' ] || { echo "it changed" >&2; exit 1; }
