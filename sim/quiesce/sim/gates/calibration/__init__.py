"""Calibration: energy of workloads on netlists goes in; coefficients of the RTL's energy model, and their errors, come out."""
