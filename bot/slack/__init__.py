"""Slack connection: workspaces, installation, token rotation, payload validation, Socket Mode."""
