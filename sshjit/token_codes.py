"""The codes of tokens that are not taken: one for each kind of fault, for the CA, the pages and command lines alike."""

from __future__ import annotations

INVALID = (
    *("bad_token", "bad_token_header", "bad_token_time", "bad_subject", "bad_email"),
    *("bad_groups", "too_many_groups", "groups_left_out"),
)
"""What is no token, or says something that cannot be read."""
REFUSED = (
    *("token_refused", "wrong_token_issuer", "wrong_audience", "wrong_nonce", "wrong_token_type", "wrong_account"),
    *("token_expired", "token_not_new", "token_not_yet", "token_not_bound", "wrong_userinfo"),
    *("wrong_algorithm", "wrong_key_type", "bad_signature", "bad_provider_key"),
)
"""A token, but none for this sign-in."""
