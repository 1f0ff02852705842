"""Settings: layers of tables, checked against what plugins declare."""
