"""The shared quantised tensor format: sparse encoding, integer arithmetic, networks and their files."""
