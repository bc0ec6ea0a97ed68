"""What becomes of an operation that fails, or is killed, at each of its effects."""
