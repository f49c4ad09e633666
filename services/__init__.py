"""What the bot does for people, whatever the provider."""
