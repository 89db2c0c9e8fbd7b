"""What the line IS: frozen data without behaviour."""
