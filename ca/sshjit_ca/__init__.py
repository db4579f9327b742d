"""The authority: it verifies logins, decides, signs, logs and revokes."""
