"""What is proved of a module: free inputs, what is assumed of them, and what must hold of its outputs."""

from collections.abc import Callable

from amaranth import Cat, ClockDomain, Elaboratable, Module, Mux, Shape, ShapeLike, Signal, Value
from amaranth.hdl import Fragment, MemoryInstance
from amaranth.lib import wiring
from amaranth.lib.wiring import In

__all__ = ["Harness"]


class Harness(Elaboratable):
    """A design under proof, ``dut``, and its properties, which `describe` adds.

    An ordinary Amaranth design: what is free are its input ports, so a counterexample runs in Amaranth's simulator. ``bad`` is
    high if a check fails while no assumption has ever been broken. Reset is free too: it may come in any cycle, with whatever the
    registers without reset hold by then. A check or assumption holds for every cycle in which its statement is active.

    Checks strengthen each other: ``bad`` is reported for the first failure only, so those that hold in a cycle may be built upon
    in the next one, as in induction.

    Parameters
    ----------
    build : function without arguments
        Makes ``dut``, a `wiring.Component`. `describe` drives every input, best through `free_inputs`: Amaranth makes inputs
        that nobody drives constant.
    twin : bool
        Make another one, which gets the inputs of ``dut``. ``differs`` is high if outputs tell the two apart (the payload of a
        stream counts while it is valid). With a mutated ``dut`` this tells equivalent mutants.

    Members
    -------
    ports : every port; ``bad`` (and ``differs``) are outputs, the others inputs
    models : by path of the sub-module whose memory `one_word` has replaced, names of its model's inputs that are not the memory's
    inputs, checks, assumptions : signals by name; ``checks`` and ``assumptions`` are high where one is violated
    """

    def __init__(self, build: Callable[[], wiring.Component], *, twin: bool = False):
        self.dut, self.twin = build(), build() if twin else None
        self.sync = ClockDomain("sync")
        self.bad, self.differs = Signal(name="bad"), Signal(name="differs")
        self.models: dict[str, set[str]] = {}
        self.inputs: dict[str, Signal] = {}
        self.checks: dict[str, Signal] = {}
        self.assumptions: dict[str, Signal] = {}

    def describe(self, m: Module) -> None:
        """Drive the inputs, assume and check."""
        raise NotImplementedError

    @property
    def ports(self) -> list[Signal]:
        outputs = [self.bad] if self.twin is None else [self.bad, self.differs]
        return [self.sync.clk, self.sync.rst, *self.inputs.values(), *outputs]

    def elaborate(self, platform) -> Module:
        m = Module()
        m.domains.sync = self.sync
        m.submodules.dut = self._fragment = Fragment.get(self.dut, platform)
        self._fragments = [self._fragment]
        if self.twin is not None:
            m.submodules.twin = Fragment.get(self.twin, platform)
            self._fragments.append(m.submodules.twin)
        self.describe(m)
        broken, failed = Cat(self.assumptions.values()).any(), Cat(self.checks.values()).any()
        valid = Signal(init=1, reset_less=True)  # no assumption broken and no check failed so far
        m.d.sync += valid.eq(valid & ~broken & ~failed)
        m.d.comb += self.bad.eq(valid & ~broken & failed)
        if self.twin is not None:
            valid_twin = Signal(init=1, reset_less=True)
            m.d.sync += valid_twin.eq(valid_twin & ~broken)
            m.d.comb += self.differs.eq(valid_twin & ~broken & self._compare(m))
        return m

    def free(self, shape: ShapeLike = 1, *, name: str) -> Signal:
        """An input that may have any value in any cycle."""
        assert name not in self.inputs, name
        self.inputs[name] = Signal(shape, name=name)
        return self.inputs[name]

    def constant(self, m: Module, shape: ShapeLike = 1, *, name: str) -> Value:
        """Any value, the same in all cycles: what holds for it holds for all."""
        chosen = self.free(shape, name=f"{name}_chosen")
        first, kept = Signal(init=1, reset_less=True, name=f"{name}_first"), Signal(shape, reset_less=True, name=f"{name}_kept")
        value = Signal(shape, name=name)
        m.d.comb += Value.cast(value).eq(Mux(first, chosen, kept))
        m.d.sync += [first.eq(0), Value.cast(kept).eq(value)]
        return value

    def free_inputs(self, m: Module, but: tuple[str, ...] = ()) -> None:
        """Make all inputs of the design under proof free that do not begin with one of ``but``."""
        for path, flow, value in _leaves(self.dut):
            name = "__".join(map(str, path))
            if flow is In and not name.startswith(but or ("\0",)):
                m.d.comb += value.eq(self.free(len(value), name=name))

    def peek(self, *path: str) -> Signal:
        """A signal inside the design under proof, for checks that strengthen others: names of sub-modules, then its own."""
        fragment = self._fragment
        for part in path[:-1]:
            fragment = next(inner for inner, name, _ in fragment.subfragments if name == part)
        statements = [statement for block in fragment.statements.values() for statement in block]
        return next(signal for each in statements for signal in each._lhs_signals() if signal.name == path[-1])

    def one_word(self, m: Module, *path: str, at) -> Signal:
        """Let the memory in the sub-module ``path`` keep only the word at address ``at``, and return that word.

        Reads of other words return anything, and so do those of a word that is being written unless the memory is transparent.
        A proof of a symbolic address is one of the whole memory, at any depth.
        """
        before = set(self.inputs)
        kept = [self._keep_word(fragment, path, at) for fragment in self._fragments]
        own = {signal.name for signal in Value.cast(at)._rhs_signals()}
        self.models[".".join(path)] = own | self.inputs.keys() - before
        return kept[0]

    def _keep_word(self, fragment, path: tuple[str, ...], at) -> Signal:
        for part in path:
            fragment = next(inner for inner, name, _ in fragment.subfragments if name == part)
        parts = [inner for inner, *_ in fragment.subfragments]
        index, memory = next((index, inner) for index, inner in enumerate(parts) if isinstance(inner, MemoryInstance))
        width = Shape.cast(memory._data.shape).width
        model, word, written, writes = Module(), Signal(width, reset_less=True), Signal(width), Signal()
        model.d.comb += written.eq(word)
        model.d.sync += word.eq(written)
        for port in memory._write_ports:
            size = port._granularity
            for part in range(width // size):
                with model.If(port._en[part] & (port._addr == at)):
                    model.d.comb += [written.word_select(part, size).eq(port._data.word_select(part, size)), writes.eq(1)]
        for number, port in enumerate(memory._read_ports):
            name = f"{'_'.join(path)}_other_{number}"
            other = self.inputs[name] if name in self.inputs else self.free(width, name=name)
            here = written if port._transparent_for else Mux(writes, other, word)
            if port._domain == "comb":
                # In a row of cycles another word is the same as long as its address is and nothing is written there.
                last, same, shown = Signal.like(port._addr), Signal(), Signal(width)
                again = same & (last == port._addr)
                model.d.comb += port._data.eq(Mux(port._addr == at, word, Mux(again, shown, other)))
                model.d.sync += [last.eq(port._addr), shown.eq(port._data), same.eq(~Cat(
                    each._en.any() & (each._addr == port._addr) for each in memory._write_ports
                ).any())]  # fmt: skip
            else:
                shown = Signal(width, reset_less=True, name="shown")
                model.d.comb += port._data.eq(shown)
                with model.If(port._en):
                    model.d.sync += shown.eq(Mux(port._addr == at, here, other))
        fragment.subfragments[index] = (Fragment.get(model, None), *fragment.subfragments[index][1:])
        return word

    def check(self, name: str, condition):
        """A statement: ``condition`` must hold."""
        return self._violation(self.checks, name, condition)

    def assume(self, name: str, condition):
        """A statement: only behaviour in which ``condition`` holds is of interest."""
        return self._violation(self.assumptions, name, condition)

    @staticmethod
    def _violation(violations: dict[str, Signal], name: str, condition):
        assert name not in violations, name
        violations[name] = Signal(name=name.replace(" ", "_"))
        return violations[name].eq(~Value.cast(condition).bool())

    def _compare(self, m: Module) -> Value:
        differences = []
        own, others = _leaves(self.dut), _leaves(self.twin)
        valid = {path[:-1]: (a, b) for (path, flow, a), (_, _, b) in zip(own, others, strict=True) if path[-1] == "valid"}
        for (path, flow, a), (_, _, b) in zip(own, others, strict=True):
            if flow is In:
                m.d.comb += b.eq(a)
            elif path[-1] == "payload" and path[:-1] in valid:
                differences.append(valid[path[:-1]][0] & (a != b))
            else:
                differences.append(a != b)
        return Cat(differences).any()


def _leaves(component) -> list[tuple[tuple, object, Value]]:
    """Path, direction and bits of every port of a component."""
    return [(path, member.flow, Value.cast(value)) for path, member, value in component.signature.flatten(component)]
