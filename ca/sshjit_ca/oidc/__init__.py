"""Sign-in with identity providers: ID tokens, and the keys that verify them."""
