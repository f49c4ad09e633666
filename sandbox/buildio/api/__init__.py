"""The endpoints of the simulated Build.io, one file per resource."""
