"""How the client speaks to a person: terminal, styles, times, exit codes, help."""
