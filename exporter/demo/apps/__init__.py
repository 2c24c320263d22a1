"""The shop's services. Each module has one `start`, and needs the SDK that it imports."""
