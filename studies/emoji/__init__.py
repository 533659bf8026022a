"""The built-in checkpoint: how it was made, and how good it is."""
