"""HTTP routers of the service, one for each protocol."""
