"""Our OpenAPI document, judged by a program that nobody here wrote."""
