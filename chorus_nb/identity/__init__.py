"""What identifies a person, over all their files and rows, for the de-identifier and the pixel reader."""
