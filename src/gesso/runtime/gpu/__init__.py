"""What makes networks fast on graphics cards: kernels in Triton, and whole calls replayed."""
