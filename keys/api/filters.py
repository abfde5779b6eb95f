"""Object filters: which items of a list a caller wants, and in which order. Knows the grammar, not what there is."""
