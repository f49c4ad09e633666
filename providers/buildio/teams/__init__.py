"""Teams: listed and picked."""
