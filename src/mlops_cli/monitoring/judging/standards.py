"""What the windows of a version are held to: its training, or windows before; segments, too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa

from mlops_cli._files import digest_of_files
from mlops_cli.bundle.profile import Profile, Span
from mlops_cli.config.paths import FEATURES_PLAN, FEATURES_TABLE
from mlops_cli.monitoring.collected.rows import UNIT, Asked, Reader, Rows, unit_of
from mlops_cli.monitoring.collected.traffic import Traffic
from mlops_cli.monitoring.drift.outcomes import (
    PREDICTION,
    TARGET,
    Outcome,
    column_of,
    profile_of_outcome,
)
from mlops_cli.monitoring.drift.profile import profile_of
from mlops_cli.monitoring.drift.spans import span_for, wider
from mlops_cli.monitoring.judging.models import WatchedModel
from mlops_cli.monitoring.judging.references import LEAST, Reference, Training, texts_of
from mlops_cli.monitoring.judging.settings import Settings
from mlops_cli.monitoring.windows.grid import Stretch
from mlops_cli.monitoring.windows.records import Window
from mlops_cli.tables.base import Engine

ROWS = 20_000  # of the windows before, all together
WEEKS = 4  # that are looked back for the same weekday
FEWEST = 2  # windows of the same weekday
WEEK = timedelta(days=7)


@dataclass(slots=True)
class Standard:
    """What one window is held to; `name` says what that is, `remarks` what could not be had."""

    name: str
    whole: Reference
    outcomes: Mapping[str, Reference]
    before: tuple[Rows, ...] = ()
    remarks: list[str] = field(default_factory=list)


class Standards:
    """Finds what a window of a version is held to, by `monitor.baseline`."""

    def __init__(self, engine: Engine, root: Path, *, traffic: Traffic, settings: Settings) -> None:
        self._engine = engine
        self._root = root
        self._traffic = traffic
        self._settings = settings
        self._segments: dict[tuple[str, str, str], Reference | None] = {}
        self._samples: dict[str, pa.Table | None] = {}
        self._data: str | None = None

    def of(self, model: WatchedModel, window: Window, known: Sequence[Window]) -> Standard:
        """What `window` is held to; `known` are windows that were judged, in any order.

        Where there are too few windows before, that is training, and a remark says so.
        """
        settings = self._settings
        trained = Reference(model.profile, self._span(model, model.profile))
        outcomes = {
            role: Reference(profile, self._span(model, profile))
            for role, profile in model.profile.outcomes.items()
        }
        standard = Standard("training", trained, outcomes)
        if settings.baseline == "training":
            return standard
        named = settings.baseline.replace("_", " ")
        chosen = [*self._before(window, known)]
        least = FEWEST if settings.baseline == "same_weekday" else 1
        read = (self._read(model, window.version, one, len(chosen)) for one in chosen)
        rows = tuple(one for one in read if one is not None)
        if len(rows) < least:
            standard.remarks.append(f"there is no {named} to compare with: it is held to training")
            return standard
        return self._of_rows(model, standard, rows, named)

    def segment(
        self, model: WatchedModel, standard: Standard, column: str, value: str, version: str
    ) -> Reference | None:
        """What the rows with this value of a segment's column are held to; None: too few rows."""
        if standard.before:
            kept = [
                rows.where(rows.first[column] & texts_of(rows.table, column, value))
                for rows in standard.before
            ]
            if sum(rows.count for rows in kept) < LEAST:
                return None
            return self._reference(model, kept, standard.name)
        key = (version, column, value)
        if key not in self._segments:
            training = self._training(model)
            seconds = self._settings.seconds
            found = None if training is None else training.segment(column, value, seconds)
            self._segments[key] = found
        return self._segments[key]

    def lacking(self, model: WatchedModel, standard: Standard) -> str:
        """Why a segment is held to nothing."""
        if standard.before or self._training(model) is not None:
            return f"too few rows of {standard.name}"
        return f"{FEATURES_TABLE} is not the data of this version"

    def beside(self, model: WatchedModel, standard: Standard, version: str) -> pa.Table | None:
        """The rows that all rows of a window are held to together; None, and a remark, without.

        Rows that go along a time differ from day to day in how columns go together, too: to know
        by how much would take a fit for each of twenty days, so nothing is claimed of them.
        """
        if standard.whole.span is not None:
            standard.remarks.append(
                "rows go along a time, and no data.id names them: each column is judged, and not "
                "how columns go together"
            )
            return None
        names = [c.name for c in model.profile.columns]
        if standard.before:
            kept = [rows.table.select([*names, UNIT]) for rows in standard.before]
            return pa.concat_tables(kept)
        training = self._training(model)
        if version not in self._samples:
            unit = unit_of(model.manifest, model.profile.subject)
            self._samples[version] = None if training is None else training.sample(unit)
        if training is None:
            standard.remarks.append(
                f"{FEATURES_TABLE} is not the data that {version} was fitted on: how columns go "
                "together is not judged, nor the drift of segments"
            )
        elif self._samples[version] is None:
            standard.remarks.append(
                f"{FEATURES_TABLE} is not here with the columns of {version}: how columns go "
                "together is not judged"
            )
        return self._samples[version]

    def _training(self, model: WatchedModel) -> Training | None:
        """The rows of training, if there are any; None where the table is another version's."""
        files = [self._root / name for name in (FEATURES_TABLE, FEATURES_PLAN)]
        if model.data is not None and all(file.is_file() for file in files):
            self._data = self._data or digest_of_files(files)
            if self._data != model.data:
                return None
        return Training(self._engine, self._root, model.manifest, model.profile)

    def asked(self, model: WatchedModel) -> Asked:
        """What is read of a version's rows."""
        return Asked(
            manifest=model.manifest,
            features=model.features,
            unit=unit_of(model.manifest, model.profile.subject),
            segments=self._settings.segments,
        )

    def _span(self, model: WatchedModel, profile: Profile) -> Span | None:
        """Without `data.id` a window is no random sample: what quiet ones of its length have."""
        return None if model.manifest.id else span_for(profile.spans, self._settings.seconds)

    def _before(self, window: Window, known: Sequence[Window]) -> Iterator[Window]:
        """The windows before that it is held to, of the same version and without a fault."""
        whole = {w.start: w for w in known if w.version == window.version and w.rows}
        if self._settings.baseline == "last_window":
            earlier = [s for s, w in whole.items() if s < window.start and not w.broken]
            yield from (whole[start] for start in sorted(earlier)[-1:])
            return
        for weeks in range(1, WEEKS + 1):
            found = whole.get(window.start - weeks * WEEK)
            if found is not None and not found.broken:
                yield found

    def _read(self, model: WatchedModel, version: str, before: Window, among: int) -> Rows | None:
        """The rows of a window before; None where they are kept no longer, or in another clone."""
        rows = self._traffic.predictions(Stretch(before.start, before.end))
        if rows is None:
            return None
        reader = Reader(self._engine, self._traffic, self.asked(model), cap=ROWS // among)
        found = reader.read(rows, version, before.rows)
        return found if found.count else None

    def _of_rows(
        self, model: WatchedModel, trained: Standard, before: tuple[Rows, ...], name: str
    ) -> Standard:
        first = [rows.where(rows.first[""]) for rows in before]
        whole = self._reference(model, first, name)
        outcomes: dict[str, Reference] = {}
        roles: tuple[Outcome, ...] = (PREDICTION, TARGET)
        for role in roles:
            values = np.concatenate([r.said if role == PREDICTION else r.truth for r in first])
            column = column_of(role, values, model.manifest.classes)
            profile = profile_of_outcome(role, column, sensitive=bool(model.manifest.sensitive))
            of_training = trained.outcomes.get(role)
            span = of_training.span if of_training is not None else None
            outcomes[role] = Reference(profile, wider(span, len(before)), name)
        return Standard(name, whole, outcomes, before)

    def _reference(self, model: WatchedModel, before: Sequence[Rows], name: str) -> Reference:
        """The profile of some rows, with the importance that the model's own columns have."""
        table = pa.concat_tables([rows.table for rows in before])
        manifest = model.manifest
        found = profile_of(
            table,
            inputs=manifest.inputs,
            features=manifest.features,
            sensitive=manifest.sensitive,
        )
        known = {c.name: c for c in model.profile.columns}
        columns = tuple(
            msgspec.structs.replace(c, importance=known[c.name].importance)
            for c in found.columns
            if c.name in known
        )
        span = self._span(model, model.profile)
        return Reference(
            msgspec.structs.replace(found, columns=columns), wider(span, len(before)), name
        )
