"""Everything that can go wrong in a way a user can cause or meet, with the exit code it ends in.

CultureparkError                 exit
├── UsageError                   2     wrong flag, no such run, a run that cannot go on as asked
│   └── CatalogError             2     a scenario, persona or survey file is wrong; holds all its problems
├── ModelError                         one request failed
│   ├── Unreachable              3     no connection, 401, 403, 404: trying another request is pointless
│   ├── WrongRequest             1     the endpoint refuses this request (400, context overflow)
│   ├── Overloaded               1     429, 5xx, timeout, broken stream: may work later (`retry_after`)
│   └── BadAnswer                1     an answer came, but not one in the protocol (HTML, no choices, ...)
├── BudgetReached                4     --max-cost or --max-tokens
├── StoreError                   5     the database cannot be opened, read or written
└── OutOfResources               5     no descriptors, memory or disk space left; the run is stopped and can be resumed
Interrupted                      130   Ctrl-C
"""

from __future__ import annotations

from dataclasses import dataclass

from culturepark.redact import redact


class CultureparkError(Exception):
    """Base of all expected failures. `str(error)` is one line a user can act on, and never holds a secret."""

    exit_code = 1

    def __init__(self, message: str) -> None:
        super().__init__(redact(message))


class UsageError(CultureparkError):
    """The command, or what it was given, is wrong."""

    exit_code = 2


@dataclass(frozen=True)
class Problem:
    """One thing wrong in one file."""

    file: str
    line: int | None
    key: str
    what: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (place, self.key, self.what) if part)


class CatalogError(UsageError):
    """One or more catalog files are wrong."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class ModelError(CultureparkError):
    """One model request failed. `kind` is a stable word for the log."""

    kind = "model-error"
    retryable = False

    def __init__(self, message: str, *, kind: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.kind = kind or type(self).kind
        self.retry_after = retry_after


class Unreachable(ModelError):
    """No connection, no such model, or the endpoint does not let us in."""

    exit_code = 3
    kind = "unreachable"


class WrongRequest(ModelError):
    """The endpoint refuses the request itself; sending it again cannot help. `param` names the culprit."""

    kind = "wrong-request"

    def __init__(self, message: str, *, kind: str | None = None, param: str | None = None) -> None:
        super().__init__(message, kind=kind)
        self.param = param


class Refused(WrongRequest):
    """The endpoint does not take a part of the request; `feature` names it, or is empty where nobody says which."""

    kind = "unsupported"

    def __init__(self, message: str, feature: str, *, least: float | None = None, most: float | None = None) -> None:
        super().__init__(message, kind=self.kind, param=feature or None)
        self.feature, self.least, self.most = feature, least, most


class Filtered(WrongRequest):
    """A filter refuses this prompt."""

    kind = "content-filter"


class TooLong(WrongRequest):
    """The prompt does not fit into the model's context."""

    kind = "context-overflow"


class PromptCut(ModelError):
    """The endpoint cut the prompt without a word; what it answered is an answer to something else."""

    kind = "prompt-cut"


class Starved(ModelError):
    """The model spent all the tokens it was given on thoughts."""

    kind = "starved"


class OutOfCredit(ModelError):
    """The account is empty: the run stops and can be resumed once it is not."""

    exit_code = 4
    kind = "no-credit"


class Overloaded(ModelError):
    """The endpoint is busy or broke off; the same request may work later. `retry_after` is in seconds."""

    kind = "overloaded"
    retryable = True


class Loading(Overloaded):
    """The model is being loaded; it is waited for with patience."""

    kind = "loading"


class BadAnswer(ModelError):
    """The endpoint answered, but not in the protocol."""

    kind = "bad-answer"
    retryable = True


class OnlyThoughts(BadAnswer):
    """The whole answer came as thoughts, and nothing as speech."""

    kind = "only-thoughts"


class Missed(BadAnswer):
    """The server says that the model did not keep to the schema."""

    kind = "schema-missed"


class BudgetReached(CultureparkError):
    """A limit on cost or tokens was reached; the run can be resumed with a higher one, set by `option`."""

    exit_code = 4

    def __init__(self, message: str, option: str) -> None:
        super().__init__(message)
        self.option = option


class StoreError(CultureparkError):
    """The database cannot be used."""

    exit_code = 5


class OutOfResources(CultureparkError):
    """The machine is out of descriptors, memory or disk; the run is stopped and can be resumed."""

    exit_code = 5


class Interrupted(CultureparkError):
    """The user asked to stop."""

    exit_code = 130
