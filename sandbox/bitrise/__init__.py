"""A simulated Bitrise: the documented answers and errors, apps whose builds live, and people with roles."""
