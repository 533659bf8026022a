"""The mathematics of noise levels; has never heard of a network."""
