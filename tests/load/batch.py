"""Finished calls handed in: `locust -f tests/load/batch.py --host http://127.0.0.1:8080`."""

from locust import HttpUser, constant_pacing, task

from tests.load.shapes import hand_in


class Batch(HttpUser):
    """A backend that hands in what it gathered in a second."""

    wait_time = constant_pacing(1)

    @task
    def calls(self) -> None:
        hand_in(self)
