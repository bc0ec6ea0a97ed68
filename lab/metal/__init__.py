"""The machines behind the lab's BMCs: power, boot order, disks, and what runs on them."""
