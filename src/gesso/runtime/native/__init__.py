"""Kernels in C for processors with a matrix unit, compiled where they run; elsewhere torch's own do."""
