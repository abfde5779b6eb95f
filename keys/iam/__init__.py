"""The interface for IBM Cloud's own clients: unmodified, they get access tokens, manage IBM Cloud API keys, read users.

An adapter: it translates what those clients send into the reads and writes that pages use too, and their results back.
It has no rule of its own; ``keys.platform.policy`` and ``accounts.policy`` decide. It has no session, cookie or
template either.

*Source:* docs/clients.md.
"""

#: Below these paths it answers: access tokens, IBM Cloud API keys, users.
PLACES = ("/identity", "/v1", "/v2")
