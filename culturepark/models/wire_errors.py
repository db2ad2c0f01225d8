"""Every exception of the client library, and every error body of a server, as one of ours that says what to do.

`evidence` reads what a body says, whatever its form; `RULES` decide, in their order, what it means. A rule is data: the
statuses for which it holds, codes and words of which one must be there, and what becomes of it.
"""

from __future__ import annotations

import os
import re
import socket
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from socket import gaierror
from typing import Any
from urllib import request as proxies_of
from urllib.parse import urlsplit

import httpx2
import openai

from culturepark.domain import JsonObject
from culturepark.errors import (
    BadAnswer,
    CultureparkError,
    Filtered,
    Loading,
    Missed,
    ModelError,
    OutOfCredit,
    Overloaded,
    Refused,
    TooLong,
    Unreachable,
    WebPage,
)
from culturepark.models.error_bodies import Evidence, gather
from culturepark.models.proxies import is_loopback
from culturepark.models.refusals import PLAIN_REFUSAL, bounds, culprit
from culturepark.models.transport import Page
from culturepark.models.wait_hints import wait_of
from culturepark.redact import redact, shortened
from culturepark.shortage import causes, shortage

__all__ = ["error_in_body", "map_answer", "map_error", "short", "wait_of"]


def map_error(error: Exception, endpoint: str, body: JsonObject | None = None) -> ModelError:
    """Every exception of the client library, or of the HTTP library under it, as one of ours.

    Args:
        body: the JSON that we sent. Only what it holds can be what an endpoint refuses.

    Raises:
        OutOfResources: if the machine has no descriptors, memory or disk space left.
    """
    if isinstance(error, ModelError):
        return error
    if lacking := shortage(error):
        raise lacking from error
    if isinstance(error, CultureparkError):
        raise error
    if isinstance(error, (openai.APITimeoutError, httpx2.TimeoutException, TimeoutError)):
        return Overloaded(f"{endpoint} did not answer in time", kind="timeout")
    if isinstance(error, openai.APIStatusError):
        return map_answer(error.status_code, error.response.headers, read(error), endpoint, body)
    if isinstance(error, httpx2.HTTPStatusError):
        return map_answer(error.response.status_code, error.response.headers, read(error), endpoint, body)
    if isinstance(error, (openai.APIConnectionError, httpx2.ConnectError, httpx2.ProxyError)):
        return no_connection(error, endpoint)
    if isinstance(error, openai.APIError) and not isinstance(error, openai.APIResponseValidationError):
        return error_in_body(error.message if error.body is None else error.body, endpoint, body)
    if isinstance(error, (httpx2.HTTPError, httpx2.StreamError)):
        return Overloaded(f"{endpoint} broke off: {type(error).__name__}", kind="broken-stream")
    if is_about_proxies(error):
        return Unreachable(f"{endpoint}: {short(error)}{through_proxy(endpoint)}", kind="proxy")
    if isinstance(error, Page):
        return WebPage(f"{endpoint} answered outside the protocol: {short(error)}{base_url_hint(endpoint)}")
    return BadAnswer(f"{endpoint} answered outside the protocol: {short(error)}")


def map_answer(
    status: int, headers: Mapping[str, str], text: object, endpoint: str, body: JsonObject | None = None
) -> ModelError:
    """An answer with an error status as one of our errors.

    Args:
        text: what the answer holds: its text, or the JSON in it.
        body: the JSON that we sent.
    """
    evidence = gather(text, body)
    said = f"{endpoint} answered {status}: {short(evidence.said or 'nothing but this status')}"
    inner = evidence.statuses[-1] if evidence.statuses else status
    # A gateway's own status says less than the one that it got and passes on in the body.
    upstream = status in (200, 500, 502) or (status == 400 and (inner == 429 or inner >= 500))
    return decided(Case(inner if upstream else status, evidence, endpoint, said, body, dict(headers)))


def error_in_body(value: object, endpoint: str, body: JsonObject | None = None) -> ModelError:
    """An error that came within a stream, or in an answer with status 200, as one of our errors.

    Args:
        value: the error object.
        body: the JSON that we sent.
    """
    evidence = gather(value, body)
    status = evidence.statuses[-1] if evidence.statuses else guessed(evidence.codes)
    number = f" {status}" if status else ""
    said = f"{endpoint} broke off with an error{number}: {short(evidence.said or 'without a word')}"
    return decided(Case(status, evidence, endpoint, said, body, {}))


def guessed(codes: Iterable[str]) -> int:
    return max((STATUSES[code] for code in codes if code in STATUSES), default=0)


STATUSES = {
    "invalidrequesterror": 400, "badrequesterror": 400, "invalidargument": 400, "failedprecondition": 400,
    "authenticationerror": 401, "unauthenticated": 401, "permissionerror": 403, "permissiondenied": 403,
    "notfounderror": 404, "notfound": 404, "validation": 422, "ratelimiterror": 429, "ratelimitexceeded": 429,
    "toomanyrequests": 429, "resourceexhausted": 429, "overloaded": 429, "unavailable": 503, "unavailableerror": 503,
    "overloadederror": 529,
}  # fmt: skip
"""What the usual words mean where an error came without a status."""


# --- what an answer means --------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """An error body, and all that is known beside it."""

    status: int
    """0 if none is known."""
    evidence: Evidence
    endpoint: str
    said: str
    sent: JsonObject | None
    headers: Mapping[str, str]

    @property
    def wait(self) -> float | None:
        return wait_of(self.headers, self.evidence.raw, self.evidence)


Verdict = Callable[[Case], ModelError | None]


@dataclass(frozen=True)
class Rule:
    """What an error means, if its status is among these, and one of the codes or words is there."""

    verdict: Verdict
    statuses: frozenset[int]
    codes: str = ""
    """Codes and types, as `Evidence.codes` spells them, between blanks."""
    words: str = ""
    unless: str = ""

    def holds(self, case: Case) -> bool:
        text = case.evidence.text
        if case.status not in self.statuses or (self.unless and re.search(self.unless, text, re.I)):
            return False
        if not self.codes and not self.words:
            return True
        coded = not case.evidence.codes.isdisjoint(self.codes.split())
        return coded or bool(self.words and re.search(self.words, text, re.I))


def decided(case: Case) -> ModelError:
    for rule in RULES:
        if rule.holds(case) and (verdict := rule.verdict(case)):
            return verdict
    return Overloaded(case.said, kind="broken-stream", retry_after=case.wait)


def key_refused(case: Case) -> ModelError:
    error = Unreachable(case.said, kind=f"http-{case.status}")
    error.about_key = True
    return error


def unreachable(kind: str = "", advice: str = "") -> Verdict:
    return lambda case: Unreachable(case.said + advice, kind=kind or f"http-{case.status}")


def overloaded(case: Case) -> ModelError:
    return Overloaded(case.said, kind=f"http-{case.status}" if case.status else None, retry_after=case.wait)


def redirected(case: Case) -> ModelError:
    url = urlsplit(case.headers.get("location", ""))
    place = f"{url.scheme}://{url.netloc}{url.path}" if url.netloc else url.path or "somewhere unnamed"
    return Unreachable(
        f"{case.endpoint} answered {case.status} and points to {short(place)}; nothing was sent there "
        "(name that base URL if it is the right one)",
        kind=f"http-{case.status}",
    )


def too_long(case: Case) -> ModelError:
    return TooLong(case.said, limit=context_of(case.evidence))


def never_fits(case: Case) -> ModelError | None:
    """A rate limit in tokens that is smaller than this one request: waiting does not help."""
    found = re.search(r"limit:?\s*([\d,]+).{0,60}?requested:?\s*~?([\d,]+)", case.evidence.text, re.I | re.S)
    if not found or not re.search(r"token", case.evidence.text, re.I):
        return None
    limit, requested = (whole(group) or 0 for group in found.groups())
    return TooLong(case.said, limit=limit) if requested > limit > 0 else None


def refused(case: Case) -> ModelError | None:
    """The feature that is refused; None if the body names nothing that was sent."""
    found = culprit(case.evidence.remarks, case.sent)
    if not found or (case.status in (0, 500) and not PLAIN_REFUSAL.search(case.evidence.text)):
        return None
    feature, least, most = bounds(*found, case.sent)
    return Refused(case.said, feature=feature, least=least, most=most)


def refused_somehow(case: Case) -> ModelError:
    return Refused(case.said, kind=f"http-{case.status}")


def not_there(case: Case) -> ModelError:
    return Unreachable(case.said + base_url_hint(case.endpoint), kind=f"http-{case.status}")


def base_url_hint(endpoint: str) -> str:
    """Return what is probably wrong with a base URL at which there is no API, in brackets; empty if nothing shows."""
    path = urlsplit(endpoint).path.rstrip("/")
    if path.endswith(("/completions", "/chat", "/embeddings", "/responses")):
        return " (a base URL ends before /chat/completions)"
    return "" if re.search(r"/v\d|/openai", path) else " (most base URLs end in /v1)"


NONE = frozenset({0})
REDIRECTS = frozenset(range(300, 400))
BROKEN = frozenset(range(500, 600))
ANY = frozenset(range(400, 600)) | NONE
CLIENTS = frozenset(range(400, 500)) | NONE
LATER = frozenset({408, 409, 421, 423, 424, 425, 429, 498, 499}) | BROKEN
REFUSALS = frozenset({400, 403, 404, 405, 406, 415, 422, 500, 501}) | NONE

RULES = (
    Rule(redirected, REDIRECTS),
    Rule(unreachable("proxy", " (a proxy wants a name and password: http://NAME:PASSWORD@HOST)"), frozenset({407})),
    Rule(
        lambda case: Missed(case.said),
        frozenset({400, 422, 424, 500, 502}) | NONE,
        codes="jsonvalidatefailed jsonschemavalidationerror schemavalidationfailed toolusefailed",
        words=r"failed to (?:generate|validate) json|jsonschemavalidation|json_validate_failed|"
        r"(?:generated|model(?:'s)?|returned|output|response) (?:json|output|text|answer|response)? ?"
        r"(?:does not|did not|doesn't|is not|was not) (?:match|conform|satisfy|valid json|"
        r"(?:a )?valid)[^.]{0,40}(?:schema|json)|"
        r"model (?:did not|failed to) (?:produce|return|generate|output)[^.]{0,30}(?:json|schema)|"
        r"failed to parse (?:model )?(?:input at pos|output|generated|the model)|invalid json (?:generated|"
        r"from the model)",
        unless=r"request body|json body|invalid schema",
    ),
    Rule(
        lambda case: Filtered(case.said),
        frozenset({400, 403, 404, 422, 424, 429, 451, 500}) | NONE,
        codes="contentfilter contentfiltered contentpolicyviolation contentpolicyviolationerror "
        "responsibleaipolicyviolation "
        "datainspectionfailed prohibitedcontent 1301 moderationblocked sensitivewordsdetected contentmoderation "
        "invalidprompt safety blocklist promptblocked guardrailintervened inputmoderation moderation refusal "
        "contentpolicy "
        "contentsafety flagged",
        words=r"violat\w+[^.\n]{0,40}(?:polic|guideline|terms)|content safety|content[ _]?(?:management |safety |"
        r"filtering |moderation )?(?:polic|filter)|content exists risk|"
        r"inappropriate content|prohibited[ _]content|data_?inspection|usage (?:polic|guideline)|safety (?:system|"
        r"filter|check|"
        r"guideline|polic)|flagged (?:by|as|for|in)|was flagged|requires moderation|moderation|considered high risk|"
        r"(?:harmful|sensitive|unsafe) content|sensitive words|敏感|不安全|违规|内容安全|guardrail(?! restrictions)|"
        r"responsible ai",
        unless=r"(?:filter|moderation|safety).{0,40}(?:is not supported|unknown|unavailable|timed? ?out)|"
        r"guardrail restrictions",
    ),
    Rule(overloaded, frozenset({429}), codes="resourceexhausted", unless=r"credit|balance|prepay"),
    Rule(
        lambda case: OutOfCredit(f"{case.said} (no credit: top it up)"),
        ANY - BROKEN | frozenset({500}),
        codes="insufficientbalance insufficientcredits insufficientfunds creditserror 1113 arrearage "
        "billinghardlimitreached "
        "billingnotactive exceededcurrentquotaerror paymentrequired insufficientuserquota outofcredits billingerror "
        "notenoughbalance accountoverdue accountoverdueerror",
        words=r"insufficient[ _](?:account )?(?:balance|credits?|funds)|(?:credit )?balance is (?:too low|"
        r"insufficient|not enough)|"
        r"(?:used|exhausted|consumed|spent)[^.]{0,20} (?:all|your)[^.]{0,30}credits|(?:out of|no|any|enough|"
        r"not enough|more|"
        r"zero|purchase|buy|negative) (?:\w+ )?credits?\b|credits? (?:have |has |is |are )?(?:been )?(?:exhausted|"
        r"depleted|used up)|"
        r"spending (?:limit|cap)|payment (?:is )?required|余额不足|欠费|充值|\barrear|overdue|recharge|top[ -]?up your|"
        r"billing (?:hard limit|is not active|details? (?:is|are) missing)|account (?:is )?not active|"
        r"(?:low|insufficient|not enough|negative|no) (?:account |credit )?balance|budget has been exceeded|"
        r"(?:prepaid|prepayment)[^.]{0,30}(?:depleted|exhausted|used)",
        unless=r"insufficient_quota",
    ),
    Rule(lambda case: OutOfCredit(f"{case.said} (no credit: top it up)"), frozenset({402})),
    Rule(
        unreachable("no-quota"),
        CLIENTS,
        codes="insufficientquota quotaexceedederror quotaexceeded",
        words=r"exceeded your current quota",
    ),
    Rule(never_fits, frozenset({400, 413, 429}) | NONE),
    Rule(
        too_long,
        frozenset({400, 413, 422, 429, 500, 502}) | NONE,
        codes="contextlengthexceeded exceedcontextsizeerror contextexceeded contextwindowexceedederror 1261 "
        "stringabovemaxlength requesttoolarge requesttoolargeerror maxtokensperrequest tokenlimitexceeded inputtoolong "
        "promptttoolong contextlengthexceedederror",
        words=r"context[ _](?:length|window|size|limit)|(?:prompt|input|request|messages?|conversation|"
        r"inputs)\b[^.\n]{0,60}"
        r"(?:too (?:long|large)|exceeds?[^.\n]{0,40}(?:length|context|tokens? (?:limit|allowed)|number of tokens|"
        r"maximum|limit))|"
        r"prompt is too long|too many (?:input |prompt )?tokens in|inputs?`? tokens \+|must have less than \d+ tokens|"
        r"(?:input|prompt) (?:token count|length|tokens)[^.\n]{0,80}(?:exceed|longer|greater|should be|must be|limit|"
        r"maximum|"
        r">)|"
        r"exceed(?:s|ed)? (?:the )?(?:model|maximum|max)['s]* ?(?:model )?(?:token|context|sequence|prompt|"
        r"input)[^.\n]{0,20}"
        r"(?:limit|length)|maximum (?:prompt|input|sequence|model) length|max(?:imum)?[ _](?:model[ _]len|sequence)|"
        r"n_ctx|"
        r"reduce (?:the |your )?(?:length of (?:the |your )?(?:messages|prompt|input)|prompt)|longer than the model|"
        r"max_(?:completion_)?tokens must be at least 1, got -\d+|tokens to keep|request too large|"
        r"prompt contains \d+ tokens|"
        r"超过.{0,12}(?:长度|上下文)|(?:长度|上下文).{0,12}超|超长",
        unless=r"stop.{0,20}too long|array too long|supports at most \d+ completion tokens|"
        r"maximum allowed number of output tokens|"
        r"max_(?:completion_)?tokens['`\"]? must be (?:<|less|at most)|tokens per (?:day|hour)|"
        r"not supported in (?:this )?context|exceed(?:s|ed)? (?:your |the )?[\w' ]{0,30}rate limit|"
        r"rate limit for your organization",
    ),
    Rule(too_long, frozenset({413})),
    Rule(
        unreachable(),
        CLIENTS | frozenset({500, 503}),
        words=r"(?:failed|unable|could not|cannot|can't|error) (?:to )?load(?:ing)? (?:the |this )?model|"
        r"requires more system memory|"
        r"insufficient system resources|model (?:file )?is (?:corrupt|too large)",
    ),
    Rule(
        lambda case: Loading(case.said, retry_after=case.wait),
        frozenset({400, 404, 409, 424, 425, 429, 500, 502, 503, 504}) | NONE,
        codes="modelloading modelnotready modelnotreadyexception loading",
        words=r"\bloading (?:the |this |your )?(?:model|weights|checkpoint)|(?:model|server|weights|service|engine|"
        r"instance|worker|"
        r"endpoint|deployment|replica)s?\b[^.\n]{0,80}(?:\bloading\b|being loaded|not (?:yet )?(?:been )?loaded|"
        r"not (?:yet )?ready|"
        r"starting|warming|initiali[sz]ing|waking|sleeping|unloaded|provisioning|scal(?:ing|ed) (?:up|to zero)|"
        r"being (?:started|"
        r"deployed|provisioned|loaded))|(?:currently|still) loading|warming[ -]?up|cold[ -]?start|not ready (?:yet|to)|"
        r"is starting|still starting|estimated_time|waiting for llama runner|model unloaded",
        unless=r"no models? loaded|is not loaded\. please load",
    ),
    Rule(
        overloaded,
        CLIENTS - frozenset({401, 402, 429}),
        codes="ratelimitexceeded ratelimiterror ratelimitreached throttlingexception toomanyrequests overloadederror "
        "throttling "
        "engineoverloadederror 1302 1303 1305 serverbusy requestlimitexceeded throttlingratequota",
        words=r"rate[ _-]?limit(?:ed| reached| exceeded|ing)|exceeded[^.]{0,40} rate limit|too many (?:requests|"
        r"concurrent)|"
        r"throttl(?:ed|ing)|\boverloaded\b|concurrency limit|server (?:is )?(?:too )?busy|at capacity|over capacity|"
        r"temporarily (?:unavailable|rate-limited)|请求过于频繁|并发",
    ),
    Rule(
        unreachable("http-404"),
        CLIENTS | frozenset({500}),
        codes="modelnotfound modelnotexist deploymentnotfound modelnotsupported unknownmodel invalidmodel "
        "invalidmodelerror "
        "modeldecommissioned modelnotavailable 1211 1221 modeltermsrequired modelnotfoundexception nomodelsloaded "
        "modelnotfounderror modelunavailable resourcenotfoundexception invalidmodelid",
        words=r"model\b[^.\n]{0,120}?(?:(?:is |was |be |are )?not (?:be )?found\b|(?:does|do)(?: not|n't) exist|"
        r"not exist|is not a valid|"
        r"no longer (?:available|supported)|(?:is |been )?decommissioned|is (?:not available|unavailable) (?:to|for|"
        r"in) (?:you|your)|"
        r"is (?:invalid|unknown)|not deployed|is not served|has been (?:retired|removed|deprecated)|不存在)|"
        r"^(?:the )?(?:requested )?model:? [`'\"]?[\w./:@-]+[`'\"]? is not (?:supported|available|allowed)\b(?! in|"
        r" with| for this)|"
        r"(?:unknown|invalid|no such|non-?existent|unrecogni[sz]ed) model\b(?! param)|(?:not|"
        r"n't) have access to (?:the |this )?model|"
        r"not (?:authorized|allowed|entitled) to (?:access|use) (?:the |this )?model|access to (?:the )?model|"
        r"try pulling it|"
        r"no models? (?:are |is )?(?:currently )?loaded|deployment[^.\n]{0,60}does not exist|not a (?:valid model|"
        r"chat model)|"
        r"invalid model (?:name|id)|no endpoints found (?:for|matching)|model identifier is invalid|"
        r"模型不存在|model 不存在|"
        r"(?:could not|cannot|can't|unable to) find (?:the )?model|is not loaded\. please load|unsupported model",
    ),
    Rule(
        key_refused,
        frozenset({400, 403, 404, 422, 500}) | NONE,
        codes="apikeyinvalid invalidapikey unauthenticated authenticationerror invalidauthentication "
        "invalidauthenticationerror "
        "expiredtoken unauthorized invalidtoken incorrectapikeyerror wrongapikey",
        words=r"(?:api[ _-]?(?:key|token)|access token|bearer token|credentials?|auth(?:entication)? token|"
        r"subscription key)[^.\n]{0,60}"
        r"(?:not valid|invalid|incorrect|expired|missing|not found|required|wrong|revoked|disabled|not provided|"
        r"provided)|"
        r"(?:invalid|incorrect|missing|expired|wrong|no|malformed|unknown)[^.\n]{0,20}(?:api[ _-]?(?:key|token)|"
        r"x-api-key|"
        r"auth(?:orization|"
        r"entication)?\b|credentials|access token|subscription key|bearer)|unauthori[sz]ed|身份验证|令牌",
    ),
    Rule(
        unreachable(),
        frozenset({400, 403, 404}) | NONE,
        codes="unsupportedcountryregionterritory requestforbidden",
        words=r"(?:country|region|territory|location)[^.\n]{0,40}not supported|no endpoints available matching",
    ),
    Rule(lambda case: refused(case), REFUSALS),
    Rule(
        unreachable("http-404"),
        frozenset({400, 404, 422}) | NONE,
        words=r"\bmodel\b[^.\n]{0,60}(?:not (?:supported|available|allowed|enabled|valid)|unsupported|unavailable)|"
        r"no model (?:named|called|with)",
    ),
    Rule(refused_somehow, frozenset({404}), words=r"requested parameters|no endpoints found that"),
    Rule(key_refused, frozenset({401, 403})),
    Rule(overloaded, LATER),
    Rule(not_there, frozenset({404, 405, 410})),
    Rule(refused_somehow, frozenset(range(400, 500))),
)
"""In this order: what a body says surely, before what its status means in general."""


CONTEXT = tuple(
    re.compile(pattern, re.I)
    for pattern in (
        r"\d[\d,]*\s*\+\s*\d[\d,]*\s*>\s*(\d[\d,]*)",
        r"(\d[\d,]*)[- ](?:token )?(?:maximum )?context (?:length|window)",
        r"(?:max_model_len|n_ctx|context[ _](?:length|window|size|limit))[^\d\n.]{0,60}(\d[\d,]*)",
        r"(?:tokens? ?>|exceeds?)[^\d\n]{0,60}(\d[\d,]*)",
        r"(?:must be|should be|at most|less than|up to|<=|≤)\s*(\d[\d,]*)",
        r"\[\s*\d+\s*,\s*(\d[\d,]*)\s*\]",
        r"(?:tokens allowed|token limit|limit is|limit of|limit:|limit|max(?:imum)?(?: [a-z]+){0,4}(?: is| of|:)?|"
        r"length)\s*[:(]?\s*(\d[\d,]*)",
        r"> (\d[\d,]*)",
    )
)
"""Where the size of the context stands in what servers say, the surer first."""


def context_of(evidence: Evidence) -> int | None:
    """The size of the context in tokens."""
    for key in ("n_ctx", "max_context_length", "context_length", "max_model_len"):
        if evidence.numbers.get(key, 0) >= 1:
            return int(evidence.numbers[key])
    for pattern in CONTEXT:
        for match in pattern.finditer(evidence.text):
            if (size := whole(match[1])) and size >= 16:
                return size
    return None


def whole(digits: str) -> int | None:
    digits = digits.replace(",", "")
    return int(digits) if digits.isdecimal() and len(digits) < 12 else None


# --- no answer at all ------------------------------------------------------------------------------


UNKNOWN_NAME = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}
"""What a resolver says of a name that does not exist; anything else may pass."""


def no_connection(error: Exception, endpoint: str) -> ModelError:
    """Why there is no connection, as far as the operating system or the TLS library says."""
    chain = list(causes(error))
    cause: BaseException = error.__cause__ or error
    if any(isinstance(one, (httpx2.ReadError, httpx2.WriteError, httpx2.RemoteProtocolError)) for one in chain):
        return Overloaded(f"{endpoint} broke off: {short(cause)}", kind="broken-stream")  # it had been made
    if any(map(is_about_proxies, chain)):
        worst = next(one for one in chain if is_about_proxies(one))
        lasting = "407" in str(worst) or not isinstance(worst, httpx2.ProxyError)
        said = f"no connection to {endpoint}: {short(worst)}{through_proxy(endpoint)}"
        return Unreachable(said, kind="proxy") if lasting else Overloaded(said, kind="no-connection")
    if tls := next((one for one in chain if isinstance(one, ssl.SSLError)), None):
        return Unreachable(f"no connection to {endpoint}: {short(tls)} ({tls_advice(tls, endpoint)})", kind="no-tls")
    host = urlsplit(endpoint).hostname or endpoint
    why, lasting = "", False
    if lookup := next((one for one in chain if isinstance(one, gaierror)), None):
        why, lasting = f" (no address is known for {host})", lookup.errno in UNKNOWN_NAME
    elif any(isinstance(one, ConnectionRefusedError) for one in chain):
        why, lasting = " (nothing listens there)", is_loopback(host)
    told = next((one for one in reversed(chain) if isinstance(one, OSError) and one.errno), cause)
    said = f"no connection to {endpoint}: {short(told)}"
    failure = Overloaded(said + (through_proxy(endpoint) or why), kind="no-connection")
    if lasting:
        failure.attempts_at_first = 2  # a server that is being started deserves one
    return failure


def is_about_proxies(error: BaseException) -> bool:
    return isinstance(error, httpx2.ProxyError) or bool(
        isinstance(error, ValueError) and re.search(r"(?i)proxy url|socks", str(error))
    )


def through_proxy(endpoint: str) -> str:
    """The proxy that the environment names for this endpoint, in brackets; empty if there is none."""
    url = urlsplit(endpoint)
    proxies = proxies_of.getproxies_environment()
    if not url.hostname or proxies_of.proxy_bypass(url.hostname):
        return ""
    for scheme in (url.scheme, "all"):
        if scheme in proxies:
            names = (f"{scheme}_proxy", f"{scheme}_proxy".upper())
            name = next((name for name in names if os.environ.get(name)), names[-1])
            advice = f"; put {url.hostname} into NO_PROXY to go without"
            return f" (this is the proxy that {name} names: {redact(proxies[scheme])}{advice})"
    return ""


def tls_advice(error: ssl.SSLError, endpoint: str) -> str:
    host = urlsplit(endpoint).hostname or endpoint
    if isinstance(error, ssl.SSLCertVerificationError) or "CERTIFICATE" in str(error):
        return f"the certificate of {host} is not trusted; SSL_CERT_FILE may name the file of your own authority"
    if "WRONG_VERSION_NUMBER" in str(error) or "RECORD_LAYER" in str(error):
        return f"{host} does not speak TLS there; is it http:// in place of https://?"
    return f"{host} and this machine cannot agree on TLS"


def read(error: Any) -> object:
    """The text of an answer with an error; what the library made of it where the text is gone."""
    try:
        if text := error.response.text:
            return str(text)
    except (httpx2.StreamError, RuntimeError, UnicodeError, LookupError):
        pass
    body = getattr(error, "body", None)
    return re.sub(r"^Error code: \d+ - ", "", str(error)) if body is None else body


def short(said: object) -> str:
    """What an endpoint said, on one line and not long; it may be a whole HTML page."""
    line = " ".join(shortened(str(said), 10_000).split())
    return "".join(c for c in line if c.isprintable())[:200] or type(said).__name__
