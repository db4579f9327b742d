"""Asking, deciding, signing, locking and ending."""
