"""``ssh-jit policy``: policy files are checked, explained, tested and compared, with no server anywhere near."""
