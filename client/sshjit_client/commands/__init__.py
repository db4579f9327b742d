"""The subcommands of ``ssh-jit``."""
