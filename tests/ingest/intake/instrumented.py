"""A program whose OpenAI client is instrumented, and which exports its spans over OTLP/HTTP.

`python -m tests.ingest.intake.instrumented INSTRUMENTATION BASE_URL ENDPOINT MODEL`
"""

import contextlib
import sys

import openai
from openai import APIStatusError
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor


def main(instrumentation: str, base_url: str, endpoint: str, model: str) -> None:
    resource = {"service.name": "shop", "deployment.environment.name": "staging"}
    provider = TracerProvider(resource=Resource(resource))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint)))
    instrument(instrumentation, provider)
    client = openai.OpenAI(api_key="sk-instrumented-0123456789", base_url=base_url, max_retries=0)
    messages = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "안녕 🎈?"}]
    with provider.get_tracer("app").start_as_current_span("handle request"):
        if instrumentation == "langchain":
            from langchain_openai import ChatOpenAI

            chat = ChatOpenAI(model=model, api_key="sk-instrumented-0123456789", base_url=base_url)
            print(chat.invoke([("system", "Be kind."), ("user", "안녕 🎈?")]).text)
        else:
            client.chat.completions.create(model=model, messages=messages)
            stream = client.chat.completions.create(
                model="stream-ok", messages=messages, stream=True, stream_options={"include_usage": True}
            )
            list(stream)
            with contextlib.suppress(APIStatusError):
                client.chat.completions.create(model="status-429", messages=messages)
    provider.shutdown()


def instrument(name: str, provider: trace.TracerProvider) -> None:
    if name == "openai_v2":
        from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor
    else:
        from openinference.instrumentation.openai import OpenAIInstrumentor
    OpenAIInstrumentor().instrument(tracer_provider=provider)


if __name__ == "__main__":
    main(*sys.argv[1:])
