"""The process model: a supervisor that alone writes the run's events, and one worker process per piece of work."""
