"""The command ``ssh-jit``: it finds or gets access to a host, and then becomes ssh."""
