"""What is trained: something that names parameters and knows how they are written."""
