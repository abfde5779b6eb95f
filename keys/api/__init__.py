"""The SoftLayer-compatible interface: unmodified clients of classic infrastructure manage keys and look at users.

An adapter: it translates what those clients send into the reads and writes that pages use too, and their results back.
It has no rule of its own; ``keys.policy`` and ``accounts.policy`` decide. It has no session, cookie or template either.

*Source:* docs/clients.md.
"""

#: Below these paths it answers: REST, XML-RPC.
PLACES = ("/rest", "/xmlrpc")
