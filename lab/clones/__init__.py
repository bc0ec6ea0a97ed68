"""Many servers in seconds, by copying the database rows of a few real ones."""
