"""Doors to the queue: HTTP in several dialects, and a page."""
