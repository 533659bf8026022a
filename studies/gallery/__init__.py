"""The gallery: what can be done with pictures, shown by the built-in checkpoint."""
