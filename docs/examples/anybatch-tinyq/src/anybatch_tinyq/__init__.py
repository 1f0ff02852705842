"""tinyq for anybatch."""
