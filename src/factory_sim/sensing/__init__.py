"""What can be seen of a line: event rows become readings of its sensors."""
