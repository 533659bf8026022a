"""Many pictures from one ask: grids over any field, rows of a file."""
