"""What is on the disk: the scan is the truth, events are hints."""
