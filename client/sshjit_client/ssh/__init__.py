"""OpenSSH's programs, command line and files."""
