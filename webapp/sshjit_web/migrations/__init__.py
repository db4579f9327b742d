"""Alembic's folder; ``sshjit_web/migrate.py`` runs it."""
