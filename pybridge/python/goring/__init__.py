"""A shared-memory ring with one written layout, native in Go and in Python."""
