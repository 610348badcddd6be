"""Compiler: a network and a core configuration in, a program out.

The way is ``lower``, ``tile``, ``schedule``, ``emit``; ``program`` goes it and knows the regions of memory around a program.
"""

from quiesce.sw.compiler.errors import CompileError
from quiesce.sw.compiler.program import LayerPlan, Program, compile_network

__all__ = ["CompileError", "LayerPlan", "Program", "compile_network"]
