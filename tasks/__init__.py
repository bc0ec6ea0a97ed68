"""One effect on one cloud each, or one batch of tiny ones: safe to retry, safe to run twice."""
