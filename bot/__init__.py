"""The program: clients of the providers, the watcher, the relay, the messages, and their assembly."""

__version__ = "0.1.0"
