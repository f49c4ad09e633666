"""The endpoints of the simulated Bitrise, one file per resource."""
