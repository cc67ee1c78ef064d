"""The champion beside a new model, as a page has it: all are texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlops_cli.bundle.manifest import short
from mlops_cli.evaluation.beside import Beside, Champion
from mlops_cli.evaluation.constant import Gain

_BETTER, _WORSE = "surely better than", "surely worse than"


@dataclass(frozen=True, slots=True)
class Against:
    """The champion: a sentence, whether it is good news, and a row a metric.

    A row is the metric, the model, the champion, the gain with its interval, and what that says.
    """

    version: str
    said: str
    look: str
    rows: Sequence[tuple[str, str, str, str, str]]


def against(metric: str, of: Champion) -> Against:
    """The champion as the page shows it, the main metric first."""
    names = sorted(of.metrics, key=lambda name: name != metric)
    rows = [_against_row(name, of.metrics[name]) for name in names]
    if not rows:
        return Against(short(of.version), f"Not compared: {of.why or 'too few rows'}.", "", ())
    gain = of.metrics[names[0]].gain
    verdict = _surely(gain)
    said = (
        f"By {names[0]} it is {verdict} the champion: {gain.value:+.3g} "
        f"({gain.low:+.3g} to {gain.high:+.3g}) on the same {of.rows:,} rows."
    )
    if not of.fair:
        said += " The champion may have been fitted on some of these rows."
    look = {_BETTER: "well", _WORSE: "ill"}.get(verdict, "")
    return Against(short(of.version), said, look, rows)


def _against_row(name: str, of: Beside) -> tuple[str, str, str, str, str]:
    gain = f"{of.gain.value:+.3g} ({of.gain.low:+.3g} to {of.gain.high:+.3g})"
    return name, f"{of.model:.4g}", f"{of.champion:.4g}", gain, _surely(of.gain)


def _surely(gain: Gain) -> str:
    return _BETTER if gain.low > 0 else _WORSE if gain.high < 0 else "not surely other than"
