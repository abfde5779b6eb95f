"""The interface for IBM Cloud's own clients: unmodified, they get access tokens and manage IBM Cloud API keys.

An adapter: it translates what those clients send into the reads and writes that pages use too, and their results back.
It has no rule of its own; ``keys.platform.policy`` decides. It has no session, cookie or template either.

*Source:* docs/clients.md.
"""
