"""Keytree's console: the composition root: settings, shell, health and commands."""
