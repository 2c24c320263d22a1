"""ClickHouse, a server or the embedded engine: schema, migrations, writes and reads."""
