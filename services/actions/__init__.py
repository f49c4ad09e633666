"""Actions: permission, approval, audit, execution."""
