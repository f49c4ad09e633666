"""The app that a channel uses."""
