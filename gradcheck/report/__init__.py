"""Show: a record becomes text, JSON lines or a page; nothing here computes a derivative."""
