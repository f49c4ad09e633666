"""Work that would hold the event loop, done in processes of its own."""
