"""Everything that can go wrong in a way a user can cause or meet, with the exit code it ends in.

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
    """The command, or what it was given, is wrong."""

    exit_code = 2


class Lacking(UsageError):
    """A key or a package is needed that is not there; what was asked for is right."""


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
    """How often a request that fails so is sent at most as long as its endpoint has answered nothing: the address is
    probably wrong. None for as often as any other."""

    def __init__(self, message: str, *, kind: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.kind = kind or type(self).kind
        self.retry_after = retry_after


class Unreachable(ModelError):
    """No connection, no such model, or the endpoint does not let us in."""

    exit_code = 3
    kind = "unreachable"
    about_key = False
    """Whether the endpoint wants a key, or another one."""


class WrongRequest(ModelError):
    """The endpoint refuses the request itself; sending it again cannot help. `param` names the culprit."""

    kind = "wrong-request"

    def __init__(self, message: str, *, kind: str | None = None, param: str | None = None) -> None:
        super().__init__(message, kind=kind)
        self.param = param


class Refused(WrongRequest):
    """The endpoint does not take one part of the request, or only values from `least` to `most`.

    `feature` is a key of the request body, or `system` for the system message. An empty one means that the endpoint
    refuses the request without saying what is wrong with it. A bound is None where the endpoint named none.
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
    """A content filter refuses this prompt; another prompt may pass."""

    kind = "content-filter"


class TooLong(WrongRequest):
    """The prompt, with the room asked for the answer, exceeds the context; `limit` is its size in tokens if told."""

    kind = "context-overflow"

    def __init__(self, message: str, *, limit: int | None = None, kind: str | None = None) -> None:
        super().__init__(message, kind=kind)
        self.limit = limit


class PromptCut(ModelError):
    """The endpoint cut the prompt without a word; what it answered is an answer to something else."""

    kind = "prompt-cut"


class Starved(ModelError):
    """The model spent all the tokens it was given on thoughts."""

    kind = "starved"


class OutOfCredit(ModelError):
    """The account has no money left. No other request would fare better until somebody pays."""

    exit_code = 4
    kind = "no-credit"


class Overloaded(ModelError):
    """The endpoint is busy or broke off; the same request may work later. `retry_after` is in seconds."""

    kind = "overloaded"
    retryable = True


class Loading(Overloaded):
    """The server is loading the model, which may take minutes."""

    kind = "loading"


class BadAnswer(ModelError):
    """The endpoint answered, but not in the protocol."""

    kind = "bad-answer"
    retryable = True


class WebPage(BadAnswer):
    """A page for people came in place of an answer."""

    attempts_at_first = 1


class OnlyThoughts(BadAnswer):
    """The whole answer came as thoughts, and nothing as speech."""

    kind = "only-thoughts"


class Missed(BadAnswer):
    """The server says that what the model wrote does not keep to the schema; another draw may."""

    kind = "schema-missed"


class BudgetReached(CultureparkError):
    """A limit on cost or tokens was reached; the run can be resumed with a higher one, set by `option`."""

    exit_code = 4

    def __init__(self, message: str, option: str) -> None:
        super().__init__(message)
        self.option = option


class OutOfResources(CultureparkError):
    """This machine has no file descriptors, memory or disk space left. No request or dialogue is at fault."""

    exit_code = 5


class StoreError(CultureparkError):
    """The database cannot be used."""

    exit_code = 5


class Interrupted(CultureparkError):
    """The user asked to stop."""

    exit_code = 130
