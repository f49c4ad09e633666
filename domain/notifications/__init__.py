"""Which changes of builds are notified to whom, how and when."""
