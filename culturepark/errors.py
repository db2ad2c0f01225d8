"""All failures that a user can cause or meet, each with its exit code.

CultureparkError                 exit
├── UsageError                   2     wrong flag, no such run, a run that cannot go on as asked
│   ├── Lacking                  2     a key or a package is needed and not there
│   └── CatalogError             2     a scenario, persona or survey file is wrong; holds all its problems
├── ModelError                         one request failed
│   ├── Unreachable              3     no connection, no such model, key refused, redirect to elsewhere, no quota
│   ├── OutOfCredit              4     the account has no money left (402 and the like): stops the run, resumable
│   ├── WrongRequest             1     the endpoint refuses this request; sending it again as it is cannot help
│   │   ├── Refused              1     it does not take one part (`feature`), or only from `least` to `most`
│   │   ├── Filtered             1     a content filter refuses this prompt
│   │   └── TooLong              1     the prompt does not fit into the context (`limit` tokens)
│   ├── Overloaded               1     429, 5xx, timeout, broken stream: may work later (`retry_after`)
│   │   └── Loading              1     the model is being loaded; wait with patience
│   ├── PromptCut                1     the endpoint cut the prompt without a word
│   ├── Starved                  1     all tokens went into thoughts
│   └── BadAnswer                1     an answer came, but not one in the protocol (HTML, no choices, ...)
│       ├── WebPage              1     a page for people came in place of an answer
│       ├── OnlyThoughts         1     the answer came as thoughts, and nothing as speech
│       └── Missed               1     the server says that the model did not keep to the schema
├── BudgetReached                4     --max-cost or --max-tokens
├── OutOfResources               5     this machine has no descriptors, memory or disk left: stops the run, resumable
└── StoreError                   5     the database cannot be opened, read or written
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
    exit_code = 2


class Lacking(UsageError):
    """A needed key or package is not there; the command itself is right."""


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
    attempts_at_first: int | None = None
    """Most attempts at such a request while its endpoint has answered nothing yet: the address is probably wrong. None
    for as many as usual."""

    def __init__(self, message: str, *, kind: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.kind = kind or type(self).kind
        self.retry_after = retry_after


class Unreachable(ModelError):
    exit_code = 3
    kind = "unreachable"
    about_key = False
    """The endpoint wants a key, or another one."""


class WrongRequest(ModelError):
    """The endpoint refuses the request itself; sending it again cannot help. `param` names the part at fault."""

    kind = "wrong-request"

    def __init__(self, message: str, *, kind: str | None = None, param: str | None = None) -> None:
        super().__init__(message, kind=kind)
        self.param = param


class Refused(WrongRequest):
    """The endpoint does not take one part of the request, or only values from `least` to `most` (None: no bound).

    `feature` is a key of the request body, or `system` for the system message; empty, if the endpoint does not say
    what is wrong.
    """

    kind = "unsupported"

    def __init__(
        self,
        message: str,
        *,
        feature: str = "",
        least: float | None = None,
        most: float | None = None,
        kind: str | None = None,
    ) -> None:
        super().__init__(message, kind=kind, param=feature or None)
        self.feature = feature
        self.least = least
        self.most = most


class Filtered(WrongRequest):
    kind = "content-filter"


class TooLong(WrongRequest):
    """Prompt and answer together exceed the context; `limit` is its size in tokens, if the endpoint tells it."""

    kind = "context-overflow"

    def __init__(self, message: str, *, limit: int | None = None, kind: str | None = None) -> None:
        super().__init__(message, kind=kind)
        self.limit = limit


class PromptCut(ModelError):
    """The endpoint cut the prompt without a word, so its answer is to something else."""

    kind = "prompt-cut"


class Starved(ModelError):
    kind = "starved"


class OutOfCredit(ModelError):
    exit_code = 4
    kind = "no-credit"


class Overloaded(ModelError):
    """The endpoint is busy or broke off; the same request may work later. `retry_after` is in seconds."""

    kind = "overloaded"
    retryable = True


class Loading(Overloaded):
    kind = "loading"


class BadAnswer(ModelError):
    kind = "bad-answer"
    retryable = True


class WebPage(BadAnswer):
    attempts_at_first = 1


class OnlyThoughts(BadAnswer):
    kind = "only-thoughts"


class Missed(BadAnswer):
    kind = "schema-missed"


class BudgetReached(CultureparkError):
    """A limit on cost or tokens was reached; the run can be resumed with a higher one, set by `option`."""

    exit_code = 4

    def __init__(self, message: str, option: str) -> None:
        super().__init__(message)
        self.option = option


class OutOfResources(CultureparkError):
    exit_code = 5


class StoreError(CultureparkError):
    exit_code = 5


class Interrupted(CultureparkError):
    exit_code = 130
