"""From partial sums to row records: a group of sums a cycle in, a beat of masks or values a cycle out.

Finished rows drain from all PEs at once, are brought to activations of 8 or 4 bits by ``post_units`` multipliers, ranked if
channels compete, and packed as they come.
"""
