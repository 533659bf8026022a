"""A model learns to paint what it is shown."""
