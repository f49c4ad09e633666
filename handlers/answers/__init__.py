"""What the bot answers: what all providers have alike, and what is Bitrise's own."""
