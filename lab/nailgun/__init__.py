"""A Nailgun for the lab: it answers as the real one was seen to, traps included."""
