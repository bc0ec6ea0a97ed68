"""A small Ceph in user space, and back ends of both clouds on it: an option of the lab."""
