"""What people see of Build.io: pure functions from things to Slack messages and modals; no I/O."""
