"""Calling styles and frameworks, translated into subjects."""
