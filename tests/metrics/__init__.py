"""Debian's Prometheus reads a live installation: ``make test-metrics``."""
