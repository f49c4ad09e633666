"""Build logs: parsing, the cause of a failure, the difference between two builds."""
