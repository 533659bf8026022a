"""Controls: what acts inside the network, call by call."""
