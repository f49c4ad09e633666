"""One request of a user: its context, replies, forms, error messages."""
