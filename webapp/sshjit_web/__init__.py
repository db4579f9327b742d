"""The front end: sign-in by OpenID Connect, pages and the JSON API; it holds no key."""
