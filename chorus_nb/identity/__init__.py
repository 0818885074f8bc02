"""What identifies a person, over all their files and rows."""
