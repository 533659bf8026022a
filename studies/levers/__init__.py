"""What each way to save work costs in quality."""
