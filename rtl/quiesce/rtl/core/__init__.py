"""One core: what turns row records in memory into row records in memory, pass by pass.

In come pass descriptions and weights from the program, and beats of activations from the bus; bursts to and from memory go
out. Each part of a core may work on a pass of its own: ``pass_control`` says on which, and ``core`` connects the parts. The
array takes an event and multiplies once a lane in each cycle; everything in front of it and behind it keeps up with that.
"""
