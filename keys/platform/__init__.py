"""IBM Cloud API keys: named, up to twenty per user, the value shown once. Who may do what with them, and the writes."""
