"""What hardware, compiler and host agree on: the configuration of a core, its program, registers, counters and error codes."""
