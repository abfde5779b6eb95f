"""Keytree's API keys: creation, who sees them, restriction, verification, deletion."""
