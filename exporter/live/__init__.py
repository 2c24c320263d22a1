"""What happens now, for people who watch: snapshots of the metrics, traces as they come."""
