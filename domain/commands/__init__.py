"""The command parser: text in, command out."""
