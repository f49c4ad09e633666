"""Messages, modals and Home as Block Kit; rendering without I/O."""
