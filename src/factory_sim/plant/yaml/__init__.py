"""Text with positions: files, tables, addresses and overrides, and the schema that they are checked against."""
