"""Config vars: masked, revealed, set and unset."""
