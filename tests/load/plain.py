"""Plain chat calls: `locust -f tests/load/plain.py --host http://127.0.0.1:8080`."""

from locust import HttpUser, constant_pacing, task

from tests.load.shapes import ask


class Plain(HttpUser):
    """A client that asks once a second, or as fast as answers come."""

    wait_time = constant_pacing(1)

    @task
    def chat(self) -> None:
        ask(self)
