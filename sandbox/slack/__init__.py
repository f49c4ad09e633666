"""The Slack simulator: Web API, Socket Mode, signed HTTP, modals and installations; as strict as the real one."""
