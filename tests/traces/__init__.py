"""Spans at the OpenTelemetry Collector: ``make test-traces``."""
