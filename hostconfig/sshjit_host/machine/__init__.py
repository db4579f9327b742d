"""This machine apart from sshd: its files, its processes, its control groups."""
