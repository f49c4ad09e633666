"""Sign-in with Build.io's command line, offered by a workspace's rules."""
