"""Enrolled hosts, and the words they say."""
