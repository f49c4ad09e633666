"""Build requests that wait for an approval at Bitrise."""
