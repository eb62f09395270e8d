"""All of them together: `locust -f tests/load/mixed.py --host http://127.0.0.1:8080`."""

from locust import HttpUser, constant_pacing, task

from tests.load.shapes import ask, ask_streamed, hand_in


class Mixed(HttpUser):
    """Six plain calls to three streams to one batch."""

    wait_time = constant_pacing(1)

    @task(6)
    def plain(self) -> None:
        ask(self)

    @task(3)
    def streamed(self) -> None:
        ask_streamed(self)

    @task(1)
    def batch(self) -> None:
        hand_in(self)
