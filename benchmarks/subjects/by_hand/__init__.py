"""What one writes without a library: no heartbeat, no cancellation, no bound, no clean end after an error."""
