"""The command line: thin commands over the library, which they import when they run."""
