"""The features of the bot, independent of the provider."""
