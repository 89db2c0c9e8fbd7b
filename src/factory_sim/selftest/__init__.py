"""The product testing itself at length, on whoever's machine."""
