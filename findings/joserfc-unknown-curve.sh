#!/bin/sh
# Guess: joserfc reads a JWK set and leaves out every key that it does not know, as RFC 7517 section 5 advises.
# Truth: it leaves out a key of an unknown type (kty), but an unknown curve (crv) of a known type makes it refuse the whole set.
# Date:  2026-11-30, joserfc 1.8.0
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet install joserfc==1.8.0 cryptography==50.0.2
"$folder/venv/bin/python" - <<'END'
from importlib.metadata import version

from joserfc.jwk import KeySet, RSAKey

good = RSAKey.generate_key(2048, {"kid": "in use", "use": "sig"}).as_dict(private=False)
of_later = {"kty": "AKP", "alg": "ML-DSA-65", "kid": "a later type", "pub": "AAAA"}
brainpool = {"kty": "EC", "crv": "brainpoolP256r1", "x": "AAAA", "y": "AAAA", "kid": "a curve of eIDAS"}


def outcome(other):
    """What becomes of a set with a usable key and one other."""
    try:
        return "usable keys: " + ", ".join(key.kid for key in KeySet.import_key_set({"keys": [good, other]}).keys)
    except Exception as error:
        return f"the set is refused: {type(error).__name__}"


print("joserfc", version("joserfc"))
seen = {"unknown kty": outcome(of_later), "unknown crv": outcome(brainpool)}
for what, result in seen.items():
    print(f"{what}: {result}")
assert seen == {"unknown kty": "usable keys: in use", "unknown crv": "the set is refused: KeyError"}, "it changed"
END
