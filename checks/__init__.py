"""What `make test` checks beside the code: things that the network knows."""
