"""One look for all plots: quiet, legible, and clear to colour-blind people (colours after Okabe and Ito, 2008)."""

COLOURS = ("#0b5cad", "#d55e00", "#009e73", "#b3589a", "#56b4e9", "#e69f00")


def use_style() -> None:
    """Set matplotlib's defaults for the plots that follow.

    >>> use_style()
    """
    import matplotlib
    from cycler import cycler

    matplotlib.rcParams.update(
        {
            "axes.prop_cycle": cycler(color=COLOURS),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "axes.titlelocation": "left",
            "grid.color": "#dddddd",
            "grid.linewidth": 0.8,
            "figure.figsize": (7.5, 3.6),
            "figure.dpi": 110,
            "figure.constrained_layout.use": True,
            "figure.facecolor": "white",  # also in a dark theme, where the labels would vanish
            "font.size": 11,
            "legend.frameon": False,
            "savefig.facecolor": "white",
        }
    )
