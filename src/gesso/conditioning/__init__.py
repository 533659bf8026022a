"""Words and sizes become what the network is told."""
