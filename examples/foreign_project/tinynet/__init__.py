"""Layers with hand-written gradients."""
