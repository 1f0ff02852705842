"""Plugins: found through entry points, and called so that a broken one costs only itself."""
