"""How it is shown: records to tables and text. Nothing here reads a file or decides a number."""
