"""Build logs: parsing, the cause of a failure, the differences between two builds."""
