"""Messages to people: reports on a schedule, incidents as Slack threads, webhooks."""
