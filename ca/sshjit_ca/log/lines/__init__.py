"""The log in lines for people, by topic; ``summaries.py`` puts them together."""
