"""The build source that polls Build.io."""
