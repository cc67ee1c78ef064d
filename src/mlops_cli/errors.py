"""What can go wrong, by whose fault, and the exit code that says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlops_cli.redaction import redact

_COMPARE = (
    "`git log -p governance/audit.jsonl` shows who changed it; what the registry alone has, "
    "`mlops audit --pull` takes in"
)


class MlopsError(Exception):
    """Base of every error that a user can fix.

    `message` says what is wrong, with which name, in which file; `hint` says the command or the
    edit that fixes it. What comes from a third-party library is wrapped where that library is
    called, raised `from` the original, and cut to a bounded size. Secrets are taken out of both
    texts here, since they go to terminals, files and other machines.
    """

    exit_code = 1
    kind = "bug"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        self.message = redact(message)
        self.hint = redact(hint) if hint else hint
        super().__init__(self.message)

    @property
    def details(self) -> Mapping[str, object]:
        """What `--json` tells beside code, kind, message and hint."""
        return {}


class UsageError(MlopsError):
    """The command line or the configuration is wrong."""

    exit_code = 2
    kind = "usage"


class DataError(MlopsError):
    """The data cannot be read, or broke its contract."""

    exit_code = 3
    kind = "data"


class GateError(MlopsError):
    """A gate said no."""

    exit_code = 4
    kind = "gate"


class DriftError(MlopsError):
    """The current data has drifted from what the model was fitted on."""

    exit_code = 5
    kind = "drift"


class InconclusiveError(MlopsError):
    """There is not enough evidence to decide."""

    exit_code = 6
    kind = "inconclusive"


class ApprovalError(MlopsError):
    """An approval is missing."""

    exit_code = 7
    kind = "approval"


class EnvironmentFault(MlopsError):
    """This machine lacks something: a package, a service that answers, space, a right to write."""

    exit_code = 8
    kind = "environment"


class BundleError(EnvironmentFault):
    """A bundle is not what its manifest says, or does not fit this environment."""

    kind = "bundle"


class TamperedError(EnvironmentFault):
    """The audit log does not verify; `faults` names each entry that is not what was written."""

    kind = "tampered"

    def __init__(self, message: str, *, faults: Sequence[str], hint: str | None = None) -> None:
        super().__init__(message, hint=hint or _COMPARE)
        self.faults = tuple(map(redact, faults))

    @property
    def details(self) -> Mapping[str, object]:
        """See `MlopsError.details`."""
        return {"faults": list(self.faults)}


def error_of_exit_code(code: int, message: str, hint: str | None = None) -> MlopsError:
    """The typed error that a child process meant by its exit code; unknown codes are exit 1."""
    classes: tuple[type[MlopsError], ...] = (
        UsageError,
        DataError,
        GateError,
        DriftError,
        InconclusiveError,
        ApprovalError,
        EnvironmentFault,
    )
    for cls in classes:
        if cls.exit_code == code:
            return cls(message, hint=hint)
    return MlopsError(message, hint=hint)
