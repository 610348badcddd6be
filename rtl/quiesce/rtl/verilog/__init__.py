"""From a configuration to Verilog-2005 that tools read alike: one file, or a folder with file list, parameters and waivers."""
