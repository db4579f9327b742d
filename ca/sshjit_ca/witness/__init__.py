"""Witnesses: others who sign the log's head, after they saw that it continues the one that they signed before."""
