"""From checked text to the plant: names become indexes, values become SI numbers, contradictions are reported."""
