"""The program: clients of the providers, the watcher, the relay, the messages, and their assembly."""
