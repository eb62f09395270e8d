"""Streamed chat calls: `locust -f tests/load/streaming.py --host http://127.0.0.1:8080`."""

from locust import HttpUser, constant_pacing, task

from tests.load.shapes import ask_streamed


class Streaming(HttpUser):
    """A client that begins a stream a second, or when the last one has ended."""

    wait_time = constant_pacing(1)

    @task
    def chat(self) -> None:
        ask_streamed(self)
