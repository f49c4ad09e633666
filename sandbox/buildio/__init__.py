"""A simulated Build.io: strict as its API reference, with apps that live, people in teams, and OAuth pages."""
