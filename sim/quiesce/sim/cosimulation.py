"""Networks on the core: simulate, compare with the integer reference, count cycles and energy."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np
import numpy.typing as npt

from quiesce.sim.assemble import Measured, assemble, compare
from quiesce.sim.build import Simulator, build_simulator
from quiesce.sim.core_text import CoreText, core_text
from quiesce.sim.errors import SimError
from quiesce.sim.flow import Acts, Deployment, RunOptions, deploy
from quiesce.sim.job import JobPhase, Progress, run_job
from quiesce.sim.result import Run
from quiesce.spec.config import CoreConfig, preset
from quiesce.sw import reference
from quiesce.sw.data.quality import classes_of, quality
from quiesce.sw.format.network import Network

__all__ = ["cosim", "simulator_for"]


def cosim(
    network: Network,
    inputs: Acts,
    *,
    config: CoreConfig | None = None,
    labels: npt.NDArray[np.integer] | None = None,
    calibration: Acts | None = None,
    options: RunOptions | None = None,
    progress: Progress | None = None,
) -> Run:
    """Run a network on the Verilog of a core and compare every output and count with the integer reference.

    Activity is counted as the items run. If energy is of the first ``energy_items`` only, then all run without counting,
    which is faster, and those run again.

    Parameters
    ----------
    network : Network
    inputs : ndarray
        int8, (N, rows, cols, chans), N at least 1.
    config : CoreConfig, optional
        The core; by default the preset "base".
    labels : ndarray, optional
        Integers, (N,) or of each output pixel (N, rows, cols), for the accuracy or the mean IoU.
    calibration : ndarray, optional
        See ``deploy``.
    options : RunOptions, optional
    progress : callable, optional
        Called now and then with the number of finished items.

    Raises
    ------
    SimError
        The inputs do not fit together, or the simulator could not be built or run.
    CoreError
        The core reported an error, broke a bus rule or did not finish. Wrong results are no error here: see ``bit_exact``.
    CompileError, FormatError
        The network cannot be compiled, or the inputs are not what it takes.
    """
    config, options = config or preset("base"), options or RunOptions()
    if len(inputs) == 0:
        raise SimError("inputs: no images")
    if labels is not None and labels.shape not in ((len(inputs),), (len(inputs), *network.shapes()[network.output][:2])):
        raise SimError(f"labels: shape {labels.shape} does not fit {len(inputs)} images")
    expected = reference.run(network, inputs, keep_activations=False)
    deployment = deploy(network, inputs, config, options, calibration=calibration)
    core = core_text(config)
    phases = _phases(deployment)
    with TemporaryDirectory(prefix="quiesce-") as folder:
        result = run_job(simulator_for(core, options), deployment.job(*phases), Path(folder), progress)
    reports = [deployment.report(phase.values) for phase in result.phases]
    macs = {name: int(count.effectual_macs.sum()) for name, count in expected.counts.items()}
    compared = compare(deployment, reports[0], result.memory, expected.outputs, macs)
    n_measured = min(options.energy_items or len(inputs), len(inputs))
    return assemble(
        deployment, core, reports[0], result.phases[0], compared,
        measured=Measured(reports[-1], result.phases[-1], n_measured) if options.energy else None,
        accuracy=None if labels is None or compared.outputs is None else quality(classes_of(compared.outputs, labels), labels),
    )  # fmt: skip


def simulator_for(core: CoreText, options: RunOptions) -> Simulator:
    """The simulator that the options ask for, from the cache or built."""
    if options.simulator == "icarus":
        from quiesce.sim.icarus import build_icarus

        return build_icarus(core.verilog)
    main: Literal["cocotb", "loop"] = "loop" if options.simulator == "loop" else "cocotb"
    return build_simulator(core.monitored if options.energy else core.verilog, main=main, toggles=options.energy)


def _phases(deployment: Deployment) -> list[JobPhase]:
    """All items; and the first of them again, if activity is counted on those only."""
    options = deployment.options
    counted = options.energy_items if options.energy else None
    if counted is not None and counted < deployment.n_items:
        return [deployment.phase(), deployment.phase(counted, toggles=True)]
    return [deployment.phase(toggles=options.energy)]
