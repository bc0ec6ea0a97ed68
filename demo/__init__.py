"""The product on two real clouds of this machine, from nothing to migrated servers."""
