"""What several features of Build.io share."""
