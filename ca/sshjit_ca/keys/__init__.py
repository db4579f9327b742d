"""The CA's own keys: what signs, for which purpose, and where the private half lives.

Four purposes apart from each other, so that no key can stand in for another: ``user_ca`` signs user certificates,
``host_ca`` host certificates, ``bundle`` what hosts and laptops believe, ``log`` the heads of the log. A private key is
a file, a key of an ssh-agent, or an object on a PKCS#11 token: ``references`` says how it is written down,
``key_store`` opens it, ``active_keys`` says which key signs, and ``succession`` by which right a log key followed
another.
"""

from __future__ import annotations

from sshjit_ca.keys.signer import PURPOSES, Signer

__all__ = ["PURPOSES", "Signer"]
