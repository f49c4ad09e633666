"""Build.io integration."""
