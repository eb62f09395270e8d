"""Whether a prompt plainly asks for an answer that is JSON (not for code or talk about JSON)."""

import polars as pl

_VERB = (
    r"respond|repl(?:y|ies)|answer|return|output|provide|give|wrap|format|write|present|put|structure|creat"
    r"|generat|produc|list|compos|report|extract|summari|classify"
)
_ARTICLE = (
    r"(?:an?\s+|the\s+|valid\s+|single\s+|one\s+|strict\s+|only\s+|pure\s+|raw\s+|proper\s+|well-formed\s+)*"
)

_PLAIN = [
    rf"\b(?:{_VERB})[^.!?\n]{{0,160}}\b(?:in|as|into|using|with|to|only|be|of)\s+{_ARTICLE}json\b",
    rf"\b(?:{_VERB})\w*\s+{_ARTICLE}json\b\s*(?:$|\n|[.,;:!)]|(?:object|format|array|block|output|response|only|with|that|of|and|containing)\b)",
    r"\b(?:entire|whole|complete|only)\s+(?:output|response|answer|reply)[^.!?\n]{0,60}\bjson\b",
    r"\b(?:in|use|using|follow\w*)\s+(?:the\s+|a\s+|valid\s+|proper\s+)*json\s+(?:format|form|syntax)\b",
    # Spanish, French, German, Japanese, Chinese, Korean.
    r"\bformato\s+json\b",
    r"\b(?:au|en|le|sous)\s+(?:format\s+)?json\b",
    r"\bformat\s+json\b",
    r"\b(?:als|im)\s+(?:gültiges\s+)?json\b",
    r"json\s*(?:形式|フォーマット|で(?:答|回答|出力|返))",
    r"```json[）)」]?\s*(?:など)?[^。\n]{0,40}(?:使用|使って|囲)",
    r"json\s*(?:格式|对象|對象)",
    r"json\s*(?:형식|형태|포맷|객체|으로|만)",
]
_ASKED = "(?i)" + "|".join(_PLAIN)

# Talk about JSON: code that reads it, conversions away from it, and plain refusals of it.
_ABOUT = (
    r"(?i)\b(?:pars(?:e|es|ing|er)|deserializ\w+|convert\w*\s+(?:this|the|a|my|following)?\s*json|json\s+to\s+\w+"
    r"|(?:function|script|program|class|method|code|snippet|query|api|endpoint)\b[^.!?\n]{0,80}\bjson"
    r"|json\b[^.!?\n]{0,40}\b(?:function|script|program|parser|library|file)"
    r"|(?:not|don't|never|without|no)\s+(?:\w+\s+){0,3}json"
    r"|(?:what\s+is|explain|difference\s+between|advantages\s+of)\s+(?:\w+\s+){0,3}json)\b"
    r"|json\s*(?:이란|이\s*뭐|을?\s*파싱)"
)

_TEXT = pl.concat_str("system_text", "input_text", separator="\n", ignore_nulls=True)


def asks_for_json() -> pl.Expr:
    """Boolean: the prompt or the system text asks for JSON in so many words; never null."""
    mentioned = _TEXT.str.contains_any(["json"], ascii_case_insensitive=True)
    return (
        pl.when(mentioned)
        .then(_TEXT.str.contains(_ASKED) & ~_TEXT.str.contains(_ABOUT))
        .otherwise(statement=False)
        .fill_null(value=False)
    )
