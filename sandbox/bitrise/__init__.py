"""The Bitrise simulator: documented responses and errors, apps with running builds, and members with roles."""
