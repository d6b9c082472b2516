"""What a key can be tried with, ready to be pasted."""

from __future__ import annotations

VARIABLE = "SALESWEBHOOKS_API_KEY"
#: The key itself stands in none of them: whoever copies a sample spreads no key.
_SAMPLES = {
    "curl": 'curl "URL" \\\n  -H "X-API-Key: $VARIABLE"',
    "python": (
        "import os, requests\n\n"
        'answer = requests.get(\n    "URL",\n    headers={"X-API-Key": os.environ["VARIABLE"]},\n)\n'
        "print(answer.status_code, answer.json())"
    ),
    "node": (
        'const answer = await fetch("URL", {\n  headers: { "X-API-Key": process.env.VARIABLE },\n});\n'
        "console.log(answer.status, await answer.json());"
    ),
}


def samples(url: str) -> dict[str, str]:
    """By language, for a server at ``url``."""
    address = f"{url}/v1/account"
    return {name: text.replace("URL", address).replace("VARIABLE", VARIABLE) for name, text in _SAMPLES.items()}
