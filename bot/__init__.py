"""The program: command line, settings, HTTP server, Slack connection, operator commands, assembly."""

__version__ = "0.1.0"
