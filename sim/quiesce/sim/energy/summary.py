"""What an energy amounts to: per multiplication, as power at the stated clock, and beside the least that arithmetic takes."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["EnergySummary", "summarize"]


@dataclass(frozen=True, kw_only=True)
class EnergySummary:
    """Of one item, a network or a layer.

    Parameters
    ----------
    on_chip_pj, off_chip_pj : float
    low_pj, high_pj : float or None
        Interval of ``on_chip_pj`` by the error of the calibration; None before calibration.
    ungated_pj : float
        On chip if every flip-flop were clocked in every cycle.
    pj_per_mac : float or None
        On chip, per effectual MAC; None without any.
    floor_ratio : float or None
        That over the energy of a bare multiplier and adder.
    power_mw : float or None
        On chip at the stated clock; None without cycles.
    tops_per_watt, dense_tops_per_watt : float or None
        Two operations for each effectual MAC, or for each MAC of a dense engine, over the energy on chip.
    """

    on_chip_pj: float
    off_chip_pj: float
    low_pj: float | None
    high_pj: float | None
    ungated_pj: float
    pj_per_mac: float | None
    floor_ratio: float | None
    power_mw: float | None
    tops_per_watt: float | None
    dense_tops_per_watt: float | None


def summarize(
    *, on_chip_pj: float, off_chip_pj: float, ungated_pj: float, effectual_macs: float, dense_macs: float, cycles: float,
    basis: Mapping[str, float],
) -> EnergySummary:  # fmt: skip
    """Derive the figures from energy, work and cycles of the same item.

    Parameters
    ----------
    basis : dict of str to float
        ``clock_mhz``, ``floor_pj`` and, after calibration, ``error``: see ``EnergyTable.basis``.
    """
    error = basis.get("error")
    per_mac = on_chip_pj / effectual_macs if effectual_macs else None
    return EnergySummary(
        on_chip_pj=on_chip_pj,
        off_chip_pj=off_chip_pj,
        low_pj=None if error is None else on_chip_pj * (1 - error),
        high_pj=None if error is None else on_chip_pj * (1 + error),
        ungated_pj=ungated_pj,
        pj_per_mac=per_mac,
        floor_ratio=None if per_mac is None else per_mac / basis["floor_pj"],
        # pJ x MHz is uW.
        power_mw=on_chip_pj / cycles * basis["clock_mhz"] / 1000 if cycles else None,
        # Operations per pJ are tera-operations per joule.
        tops_per_watt=2 * effectual_macs / on_chip_pj if on_chip_pj else None,
        dense_tops_per_watt=2 * dense_macs / on_chip_pj if on_chip_pj else None,
    )
