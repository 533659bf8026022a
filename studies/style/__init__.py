"""Thirty pictures of one style, taught to the built-in checkpoint in five ways."""
