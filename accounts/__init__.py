"""Keytree's accounts: people, accounts and the invitation tree."""
