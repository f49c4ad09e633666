"""A simulated Slack: Web API, Socket Mode, signed HTTP, modals, installs; as strict as the real one."""
