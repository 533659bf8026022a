"""What painting costs on this machine, beside other programs that are installed."""
