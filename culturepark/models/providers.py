"""Remote services that are known by their hosts: the variable that holds the key, and the path of the API."""

from __future__ import annotations

from dataclasses import dataclass

OPENAI_URL = "https://api.openai.com/v1"


@dataclass(frozen=True)
class Provider:
    """One service with an OpenAI-compatible API."""

    name: str
    hosts: tuple[str, ...]
    """A name that begins with a dot stands for all names that end in it."""
    path: str
    """The path of the API, added to a base URL without one; empty if there are several."""
    variables: tuple[str, ...]
    """Environment variables that may hold the key, in the order in which they are read."""
    batches: str = ""
    """The format of its batches, `openai` or `anthropic`; empty if it has none, or another."""


PROVIDERS = (
    Provider(
        "OpenAI", ("api.openai.com", "eu.api.openai.com", "us.api.openai.com"), "/v1", ("OPENAI_API_KEY",), "openai"
    ),
    Provider(
        "Azure",
        (
            ".openai.azure.com",
            ".cognitiveservices.azure.com",
            ".services.ai.azure.com",
            ".openai.azure.us",
            ".cognitiveservices.azure.us",
            ".openai.azure.cn",
            ".cognitiveservices.azure.cn",
        ),
        "",
        ("AZURE_OPENAI_API_KEY",),
    ),
    Provider("Anthropic", ("api.anthropic.com",), "/v1", ("ANTHROPIC_API_KEY",), "anthropic"),
    Provider("Gemini", ("generativelanguage.googleapis.com",), "/v1beta/openai", ("GEMINI_API_KEY", "GOOGLE_API_KEY")),
    Provider("Mistral", ("api.mistral.ai",), "/v1", ("MISTRAL_API_KEY",)),
    Provider("DeepSeek", ("api.deepseek.com",), "/v1", ("DEEPSEEK_API_KEY",)),
    Provider("Groq", ("api.groq.com",), "/openai/v1", ("GROQ_API_KEY",), "openai"),
    Provider("OpenRouter", ("openrouter.ai",), "/api/v1", ("OPENROUTER_API_KEY",)),
    Provider("Together", ("api.together.xyz", "api.together.ai"), "/v1", ("TOGETHER_API_KEY",)),
    Provider("xAI", ("api.x.ai",), "/v1", ("XAI_API_KEY",)),
    Provider("Fireworks", ("api.fireworks.ai",), "/inference/v1", ("FIREWORKS_API_KEY",)),
    Provider("Cerebras", ("api.cerebras.ai",), "/v1", ("CEREBRAS_API_KEY",), "openai"),
    Provider("Hugging Face", ("router.huggingface.co",), "/v1", ("HF_TOKEN",)),
    Provider("NVIDIA", ("integrate.api.nvidia.com",), "/v1", ("NVIDIA_API_KEY",)),
    Provider("Cohere", ("api.cohere.ai", "api.cohere.com"), "/compatibility/v1", ("COHERE_API_KEY", "CO_API_KEY")),
    Provider("DeepInfra", ("api.deepinfra.com",), "/v1/openai", ("DEEPINFRA_API_KEY", "DEEPINFRA_TOKEN")),
    Provider(
        "DashScope",
        ("dashscope.aliyuncs.com", "dashscope-intl.aliyuncs.com"),
        "/compatible-mode/v1",
        ("DASHSCOPE_API_KEY",),
    ),
    Provider("Moonshot", ("api.moonshot.ai", "api.moonshot.cn"), "/v1", ("MOONSHOT_API_KEY",)),
)
OPENAI = PROVIDERS[0]


def provider_of(host: str) -> Provider | None:
    """Return the service that a host belongs to; None for an unknown one."""
    host = host.lower()
    for provider in PROVIDERS:
        if any(host.endswith(name) if name.startswith(".") else host == name for name in provider.hosts):
            return provider
    return None


def is_azure(host: str) -> bool:
    provider = provider_of(host)
    return provider is not None and provider.name == "Azure"
