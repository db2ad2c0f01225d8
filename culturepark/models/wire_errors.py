"""Turns exceptions of the client library, and error bodies of servers, into our errors, which say what to do.

`error_bodies` reads what a body says, whatever its form. `RULES` decide, in their order, what it means.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from socket import gaierror
from typing import Any
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
    UsageError,
    WebPage,
)
from culturepark.models.error_bodies import Evidence, gather
from culturepark.models.proxies import is_loopback, proxy_for
from culturepark.models.refusals import PLAIN_REFUSAL, bounds, culprit
from culturepark.models.transport import Garbled, Page
from culturepark.models.wait_hints import wait_of
from culturepark.redact import redact, shortened
from culturepark.shortage import causes, shortage


def map_error(error: Exception, endpoint: str, body: JsonObject) -> ModelError:
    """Return our error for an exception of the client library, or of the HTTP library under it.

    Args:
        body: the JSON that we sent. An endpoint can refuse only a part of it.
    Raises:
        OutOfResources: if the machine has no descriptors, memory or disk space left.
    """
    if isinstance(error, ModelError):
        return error
    if out_of_resources := shortage(error):
        raise out_of_resources from error
    if isinstance(error, CultureparkError):
        raise error
    if garbled := next((link for link in causes(error) if isinstance(link, Garbled)), None):
        bad = BadAnswer(f"{endpoint} answered with {garbled}; a proxy or gateway before it may add that header wrongly")
        bad.attempts_at_first = 1
        return bad
    if isinstance(error, (openai.APITimeoutError, httpx2.TimeoutException, TimeoutError)):
        return Overloaded(f"{endpoint} did not answer in time", kind="timeout")
    if isinstance(error, openai.APIStatusError):
        return map_answer(error.status_code, error.response.headers, body_of(error), endpoint, body)
    if isinstance(error, httpx2.HTTPStatusError):
        return map_answer(error.response.status_code, error.response.headers, body_of(error), endpoint, body)
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


def map_answer(status: int, headers: Mapping[str, str], text: object, endpoint: str, body: JsonObject) -> ModelError:
    """Return our error for an answer with an error status.

    Args:
        text: the answer's text, or the JSON in it.
        body: the JSON that we sent.
    """
    evidence = gather(text, body)
    said = f"{endpoint} answered {status}: {short(evidence.said or 'nothing but this status')}"
    inner = evidence.statuses[-1] if evidence.statuses else status
    # A gateway's own status says less than the one that it got and passes on in the body.
    upstream = status in (200, 500, 502) or (status == 400 and (inner == 429 or inner >= 500))
    return decided(Case(inner if upstream else status, evidence, endpoint, said, body, dict(headers)))


def error_in_body(value: object, endpoint: str, body: JsonObject, how: str = "broke off with an error") -> ModelError:
    """Return our error for an error object within a stream, or in an answer with status 200.

    Args:
        body: the JSON that we sent.
        how: what the endpoint did, for the message.
    """
    evidence = gather(value, body)
    guess = max((STATUSES.get(code, 0) for code in evidence.codes), default=0)
    status = evidence.statuses[-1] if evidence.statuses else guess
    number = f" {status}" if status else ""
    said = f"{endpoint} {how}{number}: {short(evidence.said or 'without a word')}"
    return decided(Case(status, evidence, endpoint, said, body, {}))


STATUSES = {
    "invalidrequesterror": 400, "badrequesterror": 400, "invalidargument": 400, "failedprecondition": 400,
    "authenticationerror": 401, "unauthenticated": 401, "permissionerror": 403, "permissiondenied": 403,
    "notfounderror": 404, "notfound": 404, "validation": 422, "ratelimiterror": 429, "ratelimitexceeded": 429,
    "toomanyrequests": 429, "resourceexhausted": 429, "overloaded": 429, "unavailable": 503, "unavailableerror": 503,
    "overloadederror": 529,
}  # fmt: skip
"""Codes that stand for a status, for errors that came without one."""


# --- what an answer means --------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """An error body, and its circumstances."""

    status: int
    """0 if unknown."""
    evidence: Evidence
    endpoint: str
    said: str
    sent: JsonObject
    headers: Mapping[str, str]

    @property
    def wait(self) -> float | None:
        return wait_of(self.headers, self.evidence.raw, self.evidence)


Verdict = Callable[[Case], ModelError | None]


@dataclass(frozen=True)
class Rule:
    """Gives a verdict on errors of some statuses that hold one of its codes or words. It may decline with None."""

    verdict: Verdict
    statuses: frozenset[int]
    codes: str = ""
    """Codes and types, as `Evidence.codes` spells them, between blanks."""
    words: str = ""
    """A pattern; so is `unless`, with which the rule does not hold."""
    unless: str = ""

    def holds(self, case: Case) -> bool:
        text = case.evidence.text
        if case.status not in self.statuses or (self.unless and re.search(self.unless, text, re.I)):
            return False
        if not self.codes and not self.words:
            return True
        has_code = not case.evidence.codes.isdisjoint(self.codes.split())
        return has_code or bool(self.words and re.search(self.words, text, re.I))


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


def used_up_for_today(case: Case) -> ModelError | None:
    """Return that there is no quota left; None if the endpoint names a wait, which decides by its length."""
    return None if case.wait else Unreachable(case.said, kind="no-quota")


def never_fits(case: Case) -> ModelError | None:
    """Return TooLong for a rate limit in tokens that is smaller than this one request: waiting does not help."""
    match = re.search(r"limit:?\s*([\d,]+).{0,60}?requested:?\s*~?([\d,]+)", case.evidence.text, re.I | re.S)
    if not match or not re.search(r"token", case.evidence.text, re.I):
        return None
    limit, requested = (whole(group) or 0 for group in match.groups())
    return TooLong(case.said, limit=limit) if requested > limit > 0 else None


def refused(case: Case) -> ModelError | None:
    """Return Refused with the feature; None if the body names nothing that was sent."""
    feature_and_words = culprit(case.evidence.remarks, case.sent)
    if not feature_and_words or (case.status in (0, 500) and not PLAIN_REFUSAL.search(case.evidence.text)):
        return None
    feature, least, most = bounds(*feature_and_words, case.sent)
    return Refused(case.said, feature=feature, least=least, most=most)


def refused_somehow(case: Case) -> ModelError:
    return Refused(case.said, kind=f"http-{case.status}")


def not_there(case: Case) -> ModelError:
    return Unreachable(case.said + base_url_hint(case.endpoint), kind=f"http-{case.status}")


def base_url_hint(endpoint: str) -> str:
    """Return the probable mistake in a base URL without an API, in brackets; empty if none shows."""
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

CHATTING = r"\b(?:chat(?![ _]template)|chat[ _]?completions?|/chat/completions|converse|generatecontent)\b"
"""Ways of asking a model for an answer."""

RULES = (
    Rule(redirected, REDIRECTS),
    Rule(unreachable("proxy", " (a proxy wants a name and password: http://NAME:PASSWORD@HOST)"), frozenset({407})),
    Rule(
        lambda case: Missed(case.said),
        frozenset({400, 422, 424, 500, 502}) | NONE,
        codes="jsonvalidatefailed jsonschemavalidationerror schemavalidationfailed toolusefailed",
        words=r"failed to (?:generate|validate) json|jsonschemavalidation|json_validate_failed|(?:generated|"
        r"model(?:'s)?|returned|output|response) (?:json|output|text|answer|response)? ?(?:does not|did not|"
        r"doesn't|is not|was not) (?:match|conform|satisfy|valid json|(?:a )?valid)[^.]{0,40}(?:schema|json)|"
        r"model (?:did not|failed to) (?:produce|return|generate|output)[^.]{0,30}(?:json|schema)|"
        r"failed to parse (?:model )?(?:input at pos|output|generated|the model)|"
        r"invalid json (?:generated|from the model)",
        unless=r"request body|json body|invalid schema",
    ),
    Rule(
        lambda case: Filtered(case.said),
        frozenset({400, 403, 404, 422, 424, 429, 451, 500}) | NONE,
        codes="contentfilter contentfiltered contentpolicyviolation contentpolicyviolationerror "
        "responsibleaipolicyviolation datainspectionfailed prohibitedcontent 1301 moderationblocked "
        "sensitivewordsdetected contentmoderation invalidprompt safety blocklist promptblocked "
        "guardrailintervened intervened inputmoderation moderation refusal contentpolicy contentsafety flagged",
        words=r"violat\w+[^.\n]{0,40}(?:polic|guideline|terms)|content safety|"
        r"content[ _]?(?:management |safety |filtering |moderation )?(?:polic|filter)|content exists risk|"
        r"inappropriate content|prohibited[ _]content|data_?inspection|usage (?:polic|guideline)|"
        r"safety (?:system|filter|check|guideline|polic)|flagged (?:by|as|for|in)|was flagged|"
        r"requires moderation|moderation|considered high risk|(?:harmful|sensitive|unsafe) content|"
        r"(?:input|output|new)_sensitive|sensitive words|敏感|不安全|违规|内容安全|guardrail(?! restrictions)|"
        r"responsible ai",
        unless=r"(?:filter|moderation|safety).{0,40}(?:is not supported|unknown|unavailable|timed? ?out)|"
        r"guardrail restrictions",
    ),
    Rule(overloaded, frozenset({429}), codes="resourceexhausted", unless=r"credit|balance|prepay"),
    Rule(
        lambda case: OutOfCredit(f"{case.said} (no credit: top it up)"),
        ANY - BROKEN | frozenset({500}),
        codes="insufficientbalance insufficientcredits insufficientfunds creditserror 1113 arrearage "
        "billinghardlimitreached billingnotactive exceededcurrentquotaerror paymentrequired "
        "insufficientuserquota outofcredits billingerror notenoughbalance accountoverdue accountoverdueerror",
        words=r"insufficient[ _](?:account )?(?:balance|credits?|funds)|"
        r"(?:credit )?balance is (?:too low|insufficient|not enough)|"
        r"(?:used|exhausted|consumed|spent)[^.]{0,20} (?:all|your)[^.]{0,30}credits|"
        r"(?:out of|no|any|enough|not enough|more|zero|purchase|buy|negative) (?:\w+ )?credits?\b|"
        r"credits? (?:have |has |is |are )?(?:been )?(?:exhausted|depleted|used up)|spending (?:limit|cap)|"
        r"payment (?:is )?required|余额不足|欠费|充值|\barrear|overdue|recharge|top[ -]?up your|"
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
    Rule(
        used_up_for_today,
        CLIENTS,
        words=r"daily (?:\w+ ){0,2}(?:limit|quota|allocation|allowance)|每日.{0,8}(?:上限|限制|限额)|"
        r"(?:tokens|requests|calls|messages|queries) (?:used )?(?:per|a|each) day\b|per[- ]day (?:limit|quota)",
    ),
    Rule(never_fits, frozenset({400, 413, 429}) | NONE),
    Rule(
        too_long,
        frozenset({400, 413, 422, 429, 500, 502}) | NONE,
        codes="contextlengthexceeded exceedcontextsizeerror contextexceeded contextwindowexceedederror 1261 "
        "stringabovemaxlength requesttoolarge requesttoolargeerror maxtokensperrequest tokenlimitexceeded "
        "inputtoolong promptttoolong contextlengthexceedederror",
        words=r"context[ _](?:length|window|size|limit)|(?:prompt|input|request|messages?|conversation|"
        r"inputs)\b[^.\n]{0,60}(?:too (?:long|large)|exceeds?[^.\n]{0,40}(?:length|context|tokens? (?:limit|"
        r"allowed)|number of tokens|maximum|limit))|prompt is too long|too many (?:input |prompt )?tokens in|"
        r"inputs?`? tokens \+|must have less than \d+ tokens|(?:input|prompt) (?:token count|length|"
        r"tokens)[^.\n]{0,80}(?:exceed|longer|greater|should be|must be|limit|maximum|>)|exceed(?:s|"
        r"ed)? (?:the )?(?:model|maximum|max)['s]* ?(?:model )?(?:token|context|sequence|prompt|"
        r"input)[^.\n]{0,20}(?:limit|length)|maximum (?:prompt|input|sequence|model) length|"
        r"max(?:imum)?[ _](?:model[ _]len|sequence)|n_ctx|"
        r"reduce (?:the |your )?(?:length of (?:the |your )?(?:messages|prompt|input)|prompt)|"
        r"longer than the model|max_(?:completion_)?tokens must be at least 1, got -\d+|tokens to keep|"
        r"request too large|prompt contains \d+ tokens|超过.{0,12}(?:长度|上下文)|(?:长度|上下文).{0,12}超|超长",
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
        r"requires more system memory|insufficient system resources|model (?:file )?is (?:corrupt|too large)",
    ),
    Rule(
        lambda case: Loading(case.said, retry_after=case.wait),
        frozenset({400, 404, 409, 424, 425, 429, 500, 502, 503, 504}) | NONE,
        codes="modelloading modelnotready modelnotreadyexception loading",
        words=r"\bloading (?:the |this |your )?(?:model|weights|checkpoint)|(?:model|server|weights|service|engine|"
        r"instance|worker|endpoint|deployment|replica)s?\b[^.\n]{0,80}(?:\bloading\b|being loaded|"
        r"not (?:yet )?(?:been )?loaded|not (?:yet )?ready|starting|warming|initiali[sz]ing|waking|sleeping|"
        r"unloaded|provisioning|scal(?:ing|ed) (?:up|to zero)|being (?:started|deployed|provisioned|loaded))|"
        r"(?:currently|still) loading|warming[ -]?up|cold[ -]?start|not ready (?:yet|to)|is starting|"
        r"still starting|estimated_time|waiting for llama runner|model unloaded",
        unless=r"no models? loaded|is not loaded\. please load",
    ),
    Rule(
        overloaded,
        CLIENTS - frozenset({401, 402, 429}),
        codes="ratelimitexceeded ratelimiterror ratelimitreached throttlingexception toomanyrequests overloadederror "
        "throttling engineoverloadederror 1302 1303 1305 serverbusy requestlimitexceeded throttlingratequota",
        words=r"rate[ _-]?limit(?:ed| reached| exceeded|ing)|exceeded[^.]{0,40} rate limit|"
        r"too many (?:requests|concurrent)|throttl(?:ed|ing)|\boverloaded\b|concurrency limit|"
        r"server (?:is )?(?:too )?busy|at capacity|over capacity|temporarily (?:unavailable|rate-limited)|"
        r"请求过于频繁|并发",
    ),
    Rule(
        unreachable("http-404"),
        CLIENTS | frozenset({500}),
        codes="modelnotfound modelnotexist deploymentnotfound modelnotsupported unknownmodel invalidmodel "
        "invalidmodelerror modeldecommissioned modelnotavailable 1211 1221 modeltermsrequired "
        "modelnotfoundexception nomodelsloaded modelnotfounderror modelunavailable resourcenotfoundexception "
        "invalidmodelid",
        words=r"model\b[^.\n]{0,120}?(?:(?:is |was |be |are )?not (?:be )?found\b|(?:does|do)(?: not|n't) exist|"
        r"not exist|is not a valid|no longer (?:available|supported)|(?:is |been )?decommissioned|"
        r"is (?:not available|unavailable) (?:to|for|in) (?:you|your)|is (?:invalid|unknown)|not deployed|"
        r"is not served|has been (?:retired|removed|deprecated)|不存在)|"
        r"^(?:the )?(?:requested )?model:? [`'\"]?[\w./:@-]+[`'\"]? is not (?:supported|available|"
        r"allowed)\b(?! in| with| for this)|"
        r"(?:unknown|invalid|no such|non-?existent|unrecogni[sz]ed) model\b(?! param)|"
        r"(?:not|n't) have access to (?:the |this )?model|"
        r"not (?:authorized|allowed|entitled) to (?:access|use) (?:the |this )?model|access to (?:the )?model|"
        r"try pulling it|no models? (?:are |is )?(?:currently )?loaded|deployment[^.\n]{0,60}does not exist|"
        r"not a (?:valid model|chat model)|invalid model (?:name|id)|no endpoints found (?:for|matching)|"
        r"model identifier is invalid|模型不存在|model 不存在|(?:could not|cannot|can't|unable to) find (?:the )?model|"
        r"is not loaded\. please load|unsupported model",
    ),
    Rule(
        key_refused,
        frozenset({400, 403, 404, 422, 500}) | NONE,
        codes="apikeyinvalid invalidapikey unauthenticated authenticationerror invalidauthentication "
        "invalidauthenticationerror expiredtoken unauthorized invalidtoken incorrectapikeyerror wrongapikey",
        words=r"(?:api[ _-]?(?:key|token)|access token|bearer token|credentials?|auth(?:entication)? token|"
        r"subscription key)[^.\n]{0,60}(?:not valid|invalid|incorrect|expired|missing|not found|required|wrong|"
        r"revoked|disabled|not provided|provided)|(?:invalid|incorrect|missing|expired|wrong|no|malformed|"
        r"unknown)[^.\n]{0,20}(?:api[ _-]?(?:key|token)|x-api-key|auth(?:orization|entication)?\b|credentials|"
        r"access token|subscription key|bearer)|unauthori[sz]ed|身份验证|令牌",
    ),
    Rule(
        unreachable(),
        frozenset({400, 403, 404}) | NONE,
        codes="unsupportedcountryregionterritory requestforbidden",
        words=r"(?:country|region|territory|location)[^.\n]{0,40}not supported|no endpoints available matching",
    ),
    Rule(refused, REFUSALS),
    Rule(
        unreachable("http-404"),
        frozenset({400, 404, 422}) | NONE,
        words=r"\bmodel\b[^.\n]{0,60}(?:not (?:supported|available|allowed|enabled|valid)|unsupported|unavailable)|"
        r"no model (?:named|called|with)",
    ),
    Rule(
        unreachable(
            advice=" (this model cannot be asked so at all: name another one, or its id as the endpoint wants it)"
        ),
        frozenset({400, 403, 404, 422}) | NONE,
        codes="operationnotsupported opperationnotsupported unsupportedapiformodel",
        words=r"on-demand throughput|inference profile|provisioned throughput|non-serverless|serverless inference|"
        r"dedicated (?:endpoint|deployment)|"
        rf"{CHATTING}[^.\n]{{0,20}} (?:does|is|do|are)(?: not|n['’]t) (?:work|support|available|accessible|enabled)|"
        rf"(?:not|n['’]t)(?: be)? (?:support|work|accessible|used|available|enabled)[^.\n]{{0,30}}{CHATTING}|"
        r"(?:must|only|please|should)[^.\n]{0,40}\b(?:responses|messages|completions) (?:api|endpoint)\b|"
        r"does(?: not|n['’]t) support the model\b|"
        r"chat[_ ]template (?:is |was )?not (?:set|defined|found)|default chat template is no longer|"
        r"(?:provide|supply|without|has no|have a) (?:a )?chat template",
    ),
    Rule(refused_somehow, frozenset({404}), words=r"requested parameters|no endpoints found that"),
    Rule(
        unreachable("robot-wall", " (a wall against robots stands before the endpoint, and the key was not looked at)"),
        frozenset({401, 403, 429, 503}),
        words=r"just a moment|enable javascript|checking (?:if the site|your browser)|"
        r"are (?:you )?(?:a )?(?:human|robot)|captcha|attention required",
    ),
    Rule(
        unreachable(),
        frozenset({401, 403}),
        words=r"(?:disabled|switched off|suspended|paused)|rate limit of 0\b",
        unless=r"(?:key|token|account)[^.\n]{0,40}(?:disabled|suspended)",
    ),
    Rule(key_refused, frozenset({401, 403})),
    Rule(overloaded, LATER),
    Rule(not_there, frozenset({404, 405, 410})),
    Rule(refused_somehow, frozenset(range(400, 500))),
)
"""Rules on words and codes come before those on what a status means in general."""


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
"""Patterns of the context's size in the words of servers, the surer first."""


def context_of(evidence: Evidence) -> int | None:
    """Return the size of the context in tokens; None if the body does not tell it."""
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
"""Error numbers of a resolver for a name that does not exist; all others may pass."""


def no_connection(error: Exception, endpoint: str) -> ModelError:
    """Return our error for a connection that failed, with the reason that the operating system or TLS gives."""
    chain = list(causes(error))
    cause: BaseException = error.__cause__ or error
    if any(isinstance(link, (httpx2.ReadError, httpx2.WriteError, httpx2.RemoteProtocolError)) for link in chain):
        return Overloaded(f"{endpoint} broke off: {short(cause)}", kind="broken-stream")  # there was a connection
    if of_proxy := next(filter(is_about_proxies, chain), None):
        lasting = "407" in str(of_proxy) or not isinstance(of_proxy, httpx2.ProxyError)
        said = f"no connection to {endpoint}: {short(of_proxy)}{through_proxy(endpoint)}"
        return Unreachable(said, kind="proxy") if lasting else Overloaded(said, kind="no-connection")
    if tls := next((link for link in chain if isinstance(link, ssl.SSLError)), None):
        return Unreachable(f"no connection to {endpoint}: {short(tls)} ({tls_advice(tls, endpoint)})", kind="no-tls")
    host = urlsplit(endpoint).hostname or endpoint
    why, lasting = "", False
    if lookup := next((link for link in chain if isinstance(link, gaierror)), None):
        why, lasting = f" (no address is known for {host})", lookup.errno in UNKNOWN_NAME
    elif any(isinstance(link, ConnectionRefusedError) for link in chain):
        why, lasting = " (nothing listens there)", is_loopback(host)
    deepest = next((link for link in reversed(chain) if isinstance(link, OSError) and link.errno), cause)
    said = f"no connection to {endpoint}: {short(deepest)}"
    failure = Overloaded(said + (through_proxy(endpoint) or why), kind="no-connection")
    if lasting:
        failure.attempts_at_first = 2  # a server that is being started deserves one
    return failure


def is_about_proxies(error: BaseException) -> bool:
    return isinstance(error, httpx2.ProxyError) or bool(
        isinstance(error, ValueError) and re.search(r"(?i)proxy url|socks", str(error))
    )


def through_proxy(endpoint: str) -> str:
    """Return words in brackets on the proxy that the environment names for an endpoint; empty if there is none."""
    try:
        proxy = proxy_for(endpoint)
    except UsageError:  # a proxy that no client of ours has been opened with
        return ""
    if proxy is None:
        return ""
    advice = f"put {urlsplit(endpoint).hostname} into NO_PROXY to go without"
    return f" (this is the proxy that {proxy.variable} names: {redact(proxy.url)}; {advice})"


def tls_advice(error: ssl.SSLError, endpoint: str) -> str:
    host = urlsplit(endpoint).hostname or endpoint
    if isinstance(error, ssl.SSLCertVerificationError) or "CERTIFICATE" in str(error):
        return f"the certificate of {host} is not trusted; SSL_CERT_FILE may name the file of your own authority"
    if "WRONG_VERSION_NUMBER" in str(error) or "RECORD_LAYER" in str(error):
        return f"{host} does not speak TLS there; is it http:// in place of https://?"
    return f"{host} and this machine cannot agree on TLS"


def body_of(error: Any) -> object:
    """Return the text of an answer with an error; the library's own words where the text is gone."""
    try:
        if text := error.response.text:
            return str(text)
    except (httpx2.StreamError, RuntimeError, UnicodeError, LookupError):
        pass
    body = getattr(error, "body", None)
    return re.sub(r"^Error code: \d+ - ", "", str(error)) if body is None else body


def short(said: object) -> str:
    """Return words of an endpoint on one line, without secrets, and cut: they may be a whole HTML page."""
    line = " ".join(shortened(str(said), 10_000).split())
    return "".join(c for c in line if c.isprintable())[:200] or type(said).__name__
