"""Keytree's keys: API keys: creation, sight, restriction, verification, deletion."""
