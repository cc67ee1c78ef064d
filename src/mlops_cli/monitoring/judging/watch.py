"""One window of the log: whether it is to be judged (again), and what is found of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from mlops_cli.alerts.base import Observation
from mlops_cli.monitoring.collected.operations import speeds
from mlops_cli.monitoring.collected.rows import Reader, Rows, unit_of
from mlops_cli.monitoring.collected.traffic import Census, Selection, Traffic, digest_of
from mlops_cli.monitoring.judging.judge import WHOLE, Group, Terms, judge, segment_masks
from mlops_cli.monitoring.judging.looked_at import LookedAt
from mlops_cli.monitoring.judging.models import WatchedModel
from mlops_cli.monitoring.judging.observed import minutes_of, observations_of
from mlops_cli.monitoring.judging.references import frequent
from mlops_cli.monitoring.judging.settings import Settings
from mlops_cli.monitoring.judging.skew import skew_of
from mlops_cli.monitoring.judging.standards import Standard, Standards
from mlops_cli.monitoring.judging.volume import expected_rows
from mlops_cli.monitoring.performance.estimate import self_check
from mlops_cli.monitoring.performance.realised import baseline_of
from mlops_cli.monitoring.windows.grid import Stretch
from mlops_cli.monitoring.windows.records import EstimateCheck, VolumeFound, Window
from mlops_cli.tables.base import Engine

MOST = 20  # values of a segment's column that are judged, the most frequent ones


@dataclass(frozen=True, slots=True)
class Found:
    """A window that was judged now, and what alerts see of it."""

    window: Window
    observations: tuple[Observation, ...]


@dataclass(frozen=True, slots=True)
class _Work:
    """A window to judge: its rows, who answered them, and what else is known."""

    window: Window
    rows: Selection
    model: WatchedModel
    over: bool
    known: Sequence[Window]


class Watch:
    """Judges windows of what `models`, by their version, have answered.

    `looked_at` is with which labels a window was looked at last; one that is kept may be set.
    """

    def __init__(
        self,
        engine: Engine,
        root: Path,
        *,
        traffic: Traffic,
        settings: Settings,
        models: Mapping[str, WatchedModel],
    ) -> None:
        self._engine = engine
        self._root = root
        self._traffic = traffic
        self._settings = settings
        self._models = models
        self._standards = Standards(engine, root, traffic=traffic, settings=settings)
        self.looked_at = LookedAt(traffic.label_files())

    @property
    def length(self) -> timedelta:
        """How long a window is."""
        return self._settings.window

    def judge(
        self, window: Stretch, before: Window | None, known: Sequence[Window]
    ) -> Found | None:
        """Judge a window; None where `before`, what was found of it last, still holds.

        `known` are windows that were judged, in any order.
        """
        census, rows = self._traffic.census(window), self._traffic.predictions(window)
        if before is not None and before.rows and not census.rows:
            return None  # rows that are kept no longer say nothing against what was found of them
        model = self._models.get(census.version)
        over = self._over(window, before)
        of = digest_of(census.fingerprint, self._settings.fingerprint, bool(model), over)
        same = before is not None and before.judged_of == of
        if same and model is not None and rows is not None and before is not None:
            same = self._labelled_so(before, model, rows, census)
        if same:
            return None
        found = Window(
            start=window.start,
            end=window.end,
            target=self._settings.target,
            version=census.version,
            rows=census.rows,
            sampled=0,
            versions=census.versions,
            volume=_volume(census, window, known),
            judged_of=of,
            remarks=tuple(_remarks(census, model)),
        )
        if rows is None or not census.rows:
            return Found(found, tuple(observations_of(found)))
        whole, minutes = speeds(self._engine, rows)
        if whole is not None:
            found = replace(found, latency=whole.latency, errors=whole.errors)
        if model is not None:
            found = self._judged(_Work(found, rows, model, over, known))
            self.looked_at.note(found.start)
        return Found(found, (*observations_of(found), *minutes_of(found, minutes)))

    def _labelled_so(
        self, before: Window, model: WatchedModel, rows: Selection, census: Census
    ) -> bool:
        """Whether the labels are those that the window was judged with.

        All of them are asked for only where one came for its rows since it was looked at last.
        """
        asked = rows, census.version, census.rows
        new, reader = self.looked_at.new_files(before.start), self._reader(model)
        same = new is not None and not (new and reader.reached(*asked, new))
        if same or reader.labels(*asked) == before.labels_of:
            self.looked_at.note(before.start)
            return True
        return False

    def _judged(self, work: _Work) -> Window:
        window, model = work.window, work.model
        reader = self._reader(model)
        read = reader.read(work.rows, window.version, window.rows)
        inputs = reader.inputs(work.rows, window.version, window.rows)
        standard = self._standards.of(model, window, work.known)
        groups, remarks = self._groups(work, standard, read)
        unit = unit_of(model.manifest, model.profile.subject)
        terms = Terms(
            task=model.manifest.task,
            alpha=self._settings.alpha,
            classes=model.manifest.classes,
            unit=unit,
            outcomes=standard.outcomes,
            scores=model.profile.scores,
            losses=model.profile.losses,
            features=model.manifest.features,
            threshold=model.manifest.threshold,
            over=work.over,
            beside=self._standards.beside(model, standard, window.version),
        )
        judged = judge(groups, terms)
        whole = judged[WHOLE]
        check = None
        if whole.estimated is not None:
            check = check_of(work.known, window, self._settings.metric)
        return replace(
            window,
            sampled=read.count,
            labels_of=read.labels,
            remarks=(
                *window.remarks,
                *standard.remarks,
                *_of_rows(window, read, unit),
                *remarks,
            ),
            drift=whole.drift,
            prediction_drift=whole.prediction_drift,
            quality=whole.quality,
            labels=whole.labels,
            performance=whole.performance,
            baseline=baseline_of(model.metrics, whole.performance or model.metrics),
            estimated=whole.estimated,
            estimate_check=check,
            target_drift=whole.target_drift,
            concept_drift=whole.concept_drift,
            skew=skew_of(self._engine, self._root, model.manifest, inputs),
            segments={n: p for n, p in judged.items() if n != WHOLE},
        )

    def _groups(
        self, work: _Work, standard: Standard, read: Rows
    ) -> tuple[dict[str, Group], list[str]]:
        """All rows, and those of each segment, with what they are held to."""
        groups = {WHOLE: Group(read, standard.whole)}
        remarks: list[str] = []
        version = work.window.version
        for column in self._settings.segments:
            values, others = frequent(read.table[column], MOST)
            if others:
                remarks.append(
                    f"{column} has {others} more values: the {MOST} most frequent are judged"
                )
            for name, value, mask in segment_masks(read, column, values):
                held = self._standards.segment(work.model, standard, column, value, version)
                groups[name] = Group(read.where(mask), held, column)
                if held is None:
                    why = self._standards.lacking(work.model, standard)
                    remarks.append(f"{name}: its drift is not judged, {why}")
        return groups, remarks

    def _reader(self, model: WatchedModel) -> Reader:
        return Reader(self._engine, self._traffic, self._standards.asked(model))

    def _over(self, window: Stretch, before: Window | None) -> bool:
        """Whether the time is over in which labels usually come; once over it stays so."""
        if before is not None and before.labels is not None and before.labels.over:
            return True
        return self._settings.at >= window.end + self._settings.labels_after


def check_of(known: Sequence[Window], window: Window, metric: str) -> EstimateCheck:
    """Whether estimates of windows before held what their labels later showed."""
    past = [
        (w.estimated[f"{metric}_low"], w.estimated[f"{metric}_high"], w.performance[metric])
        for w in sorted(known, key=lambda w: w.start)
        if w.start < window.start
        and w.version == window.version
        and w.labels is not None
        and not (w.labels.partial or w.labels.biased)
        and w.estimated is not None
        and w.performance is not None
        and metric in w.estimated.keys() & w.performance.keys()
    ]
    check = self_check(past)
    return EstimateCheck(reliable=check.reliable, windows=check.windows, missed=check.missed)


def _volume(census: Census, window: Stretch, known: Sequence[Window]) -> VolumeFound:
    earlier = [(w.start, w.rows) for w in known if w.start < window.start]
    return VolumeFound(
        rows=census.rows,
        requests=census.requests,
        expected=expected_rows(earlier, window.start),
    )


def _remarks(census: Census, model: WatchedModel | None) -> Iterator[str]:
    if not census.rows:
        yield "nothing was asked"
        return
    if model is None:
        yield f"the model {census.version} is not known here: only volume and speed are judged"
    versions = {a.version: a.rows for a in census.versions if a.variant != "shadow"}
    if len(versions) > 1:
        others = sum(versions.values()) - versions[census.version]
        yield (
            f"{len(versions)} versions answered: {census.version} is judged, and {others} rows "
            "of others are left out of all but volume, latency and errors"
        )


def _of_rows(window: Window, read: Rows, unit: Sequence[str]) -> Iterator[str]:
    if read.count < window.rows and len(window.versions) == 1:
        yield f"{read.count} of {window.rows} rows were looked at, drawn by {_drawn(unit)}"
    if unit and read.with_unit < read.count:
        yield (
            f"{read.count - read.with_unit} rows do not name {', '.join(unit)}: each counts by "
            "itself, and where rows of one are alike false alarms are more than budgeted"
        )


def _drawn(unit: Sequence[str]) -> str:
    return ", ".join(unit) or "request"
