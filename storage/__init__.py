"""What survives a restart: the SQLite schema, its migrations, and one repository per aggregate."""
