"""The columns of a landing, in the order a row is rendered: what COPY and the inserts agree on."""

FIXED = (
    ("call_id", "uuid"),
    ("started_at", "timestamptz"),
    ("load_id", "uuid"),
    ("is_streamed", "boolean"),
    ("content_hash", "bytea"),
)
NAMES = (
    "source",
    "endpoint",
    "provider",
    "requested_model",
    "served_model",
    "project",
    "environment",
    "key_id",
    "prompt_name",
    "prompt_version",
    "status",
    "error_type",
    "finish_reason",
    "purpose",
    "body_state",
    "user_id",
    "session_id",
    "trace_id",
)
"""Often the same in many calls: their rendered form is remembered."""
N_OWN_NAMES = 3
"""The last of them differ most from call to call."""
LONGEST_NAME = 500
"""Characters of a name: marts index them, and an index row ends at 2.7 KB."""
TEXTS = ("external_id", "error_message", "usage_raw")
DOCUMENTS = ("tags", "usage", "attempts")
PREVIEWS = ("input_preview", "output_preview")
BODY_TEXTS = ("input_text", "output_text")
BODIES = ("request", "response")
NUMBERS = (
    ("ended_at", "timestamptz"),
    ("http_status", "integer"),
    ("ttft_ms", "double precision"),
    ("latency_ms", "double precision"),
)

CALLS = (
    *FIXED,
    *((name, "text") for name in (*NAMES, *TEXTS)),
    *((name, "jsonb") for name in DOCUMENTS),
    *((name, "text") for name in PREVIEWS),
    *NUMBERS,
)
CALL_COLUMNS = tuple(name for name, _ in CALLS)
BODY_COLUMNS = ("call_id", "started_at", *BODIES, *BODY_TEXTS)
STAGE = (
    ("ordinal", "integer"),
    *CALLS,
    *((name, "bytea") for name in BODIES),
    *((name, "text") for name in BODY_TEXTS),
)
"""`ordinal` is a call's place in its batch; then the columns of both tables, their keys once."""
