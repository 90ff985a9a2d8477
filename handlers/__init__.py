"""The doors: everything that the world sends in, over HTTP and as webhooks."""
