"""The scorecard as a picture: recall and precision by kind of incident, and how long it took to tell."""

from pathlib import Path
from typing import Final

from matplotlib.figure import Figure

from tokentrail.errors import SettingsError
from tokentrail.processors.scoring.scorecard import Scorecard

_BLUE: Final = "#1f6feb"
_GREY: Final = "#8b949e"


def draw_scorecard(card: Scorecard, path: Path) -> None:
    """Write the picture to `path`, in the format that its name ends with.

    Raises:
        SettingsError: the file cannot be written, or its format is not known.
    """
    kinds = list(reversed(card.kinds))
    names = [kind.kind.replace("_", " ") for kind in kinds]
    figure = Figure(figsize=(11, 1.6 + 0.34 * len(kinds)), layout="constrained")
    shares, times = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    rows = range(len(kinds))
    shares.barh([row + 0.2 for row in rows], [kind.recall for kind in kinds], 0.36, color=_BLUE, label="recall")
    shares.barh([row - 0.2 for row in rows], [kind.precision for kind in kinds], 0.36, color=_GREY, label="precision")
    shares.axvline(0.95, color="black", linewidth=0.8, linestyle=":")
    shares.set(xlim=(0, 1), yticks=list(rows), yticklabels=names, xlabel="share")
    shares.legend(loc="lower left")
    for row, kind in zip(rows, kinds, strict=True):
        if kind.median_time_to_detect_s is not None and kind.p90_time_to_detect_s is not None:
            ends = [max(kind.median_time_to_detect_s, 1.0), max(kind.p90_time_to_detect_s, 1.0)]
            times.plot(ends, [row, row], color=_GREY, linewidth=2)
            times.plot(ends[0], row, "o", color=_BLUE)
    times.axvline(60, color="black", linewidth=0.8, linestyle=":")
    times.set(xscale="log", xlabel="seconds until told (median, to the 90th percentile)")
    figure.suptitle(
        f"{len(card.seeds)} seeds of {card.days:g} days: recall {card.recall:.1%}, precision {card.precision:.1%}, "
        f"{card.false_alerts_per_tenant_day:.3f} false alerts a tenant and day"
    )
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise SettingsError(f"The plot cannot be written to {path}: {error}.") from error
