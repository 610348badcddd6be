"""The program of all cores: beats from memory in, weights and pass descriptions out, one beat a cycle.

The program is fetched ahead in bursts, its prologue once and its body once for each item, checked on its way, and handed to
all cores alike; each filters what is not for it and executes the rest in order.
"""
