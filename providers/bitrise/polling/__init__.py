"""The build source that polls Bitrise."""
