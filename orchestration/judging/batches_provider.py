"""The provider's files and batches, as few verbs that say what they found or why they failed."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, BinaryIO, Final
from uuid import UUID

from evaluators.judging.batches import ENDPOINT
from ingest.access.secrets import Missing, read_secret

if TYPE_CHECKING:
    import openai
    from openai.types import Batch

ENDED: Final = frozenset({"completed", "expired", "cancelled", "failed"})

MARK: Final = "lqo_batch"
"""The key in a batch's metadata that holds our id of it: by it a batch is found whose answer we never got."""

# Clocks of two machines differ; a page more of a list is cheap, a batch made twice is not.
CLOCK_SLACK: Final = timedelta(hours=1)
_NO_SUCH_VERB: Final = frozenset({404, 405, 501})
_UNPAID: Final = ("billing", "quota", "credit balance")
_DOWNLOAD_BYTES: Final = 1 << 20
_UPLOAD_SECONDS: Final = 600.0


class BatchEndpointError(RuntimeError):
    """The provider did not do what it was asked to; one line. `status` is None where no answer came."""

    def __init__(self, message: str, *, status: int | None) -> None:
        super().__init__(message)
        self.status = status

    @property
    def may_have_happened(self) -> bool:
        """Whether the provider may have done it all the same: no answer, or one of its own failures."""
        return self.status is None or self.status >= 500

    @property
    def may_pass(self) -> bool:
        """Whether the same may be asked again later; a wrong key or an empty account may be mended, too."""
        is_unpaid = any(word in str(self).lower() for word in _UNPAID)
        return self.may_have_happened or is_unpaid or self.status in (401, 402, 403, 408, 409, 429)


@dataclass(frozen=True, slots=True)
class LineProblem:
    """Why the provider refused a file: a code, and the line (from 1) where it lies at one."""

    code: str
    line: int | None
    message: str


@dataclass(frozen=True, slots=True)
class RemoteBatch:
    """A batch as the provider tells it; `n_completed` is its own count of requests with an answer."""

    id: str
    status: str
    created_at: datetime
    expires_at: datetime | None
    output_file_id: str | None
    error_file_id: str | None
    n_completed: int
    problems: tuple[LineProblem, ...]

    @property
    def has_ended(self) -> bool:
        return self.status in ENDED


@dataclass(frozen=True, slots=True)
class BatchEndpoint:
    """One OpenAI-compatible endpoint that has `/files` and `/batches`. All verbs raise BatchEndpointError."""

    client: "openai.OpenAI"

    def upload(self, file: BinaryIO, *, filename: str) -> str:
        """The id of the file at the provider; uploading twice costs nothing."""
        with _said("uploading a batch's file"):
            given = (filename, file, "application/jsonl")
            return self.client.files.create(file=given, purpose="batch", timeout=_UPLOAD_SECONDS).id

    def find_file(self, filename: str, *, since: datetime) -> str | None:
        """An input file of this name, uploaded after `since`; None also where files are not listed."""
        try:
            with _said("listing files"):
                for file in self.client.files.list(purpose="batch", order="desc", limit=100):
                    if file.filename == filename:
                        return file.id
                    if _time(file.created_at) < since - CLOCK_SLACK:
                        break
        except BatchEndpointError as error:
            if error.status not in _NO_SUCH_VERB:
                raise
        return None

    def create(self, file_id: str, *, mark: UUID) -> RemoteBatch:
        """Make the batch, once: the client does not repeat the request, for it may have been heard."""
        with _said("making a batch"):
            client = self.client.with_options(max_retries=0)
            made = client.batches.create(
                input_file_id=file_id,
                endpoint=ENDPOINT,
                completion_window="24h",
                metadata={MARK: str(mark)},
            )
        return _remote(made)

    def find_batches(self, mark: UUID, *, since: datetime) -> list[RemoteBatch]:
        """All batches with our mark that were made after `since`, the oldest first."""
        found = list[RemoteBatch]()
        with _said("listing batches"):
            for batch in self.client.batches.list(limit=100):
                if (batch.metadata or {}).get(MARK) == str(mark):
                    found.append(_remote(batch))
                if _time(batch.created_at) < since - CLOCK_SLACK:
                    break
        return found[::-1]

    def retrieve(self, batch_id: str) -> RemoteBatch:
        with _said("asking after a batch"):
            return _remote(self.client.batches.retrieve(batch_id))

    def cancel(self, batch_id: str) -> None:
        with _said("cancelling a batch"):
            self.client.batches.cancel(batch_id)

    def download(self, file_id: str, file: BinaryIO) -> bool:
        """Write its content to `file`, an empty one; False where it is shorter than the provider says."""
        with _said("downloading a batch's results"):
            size = self.client.files.retrieve(file_id).bytes
            with self.client.files.with_streaming_response.content(file_id) as response:
                for part in response.iter_bytes(_DOWNLOAD_BYTES):
                    file.write(part)
        return file.tell() >= size

    def delete(self, file_ids: Iterable[str]) -> None:
        """Delete files, which hold people's text, where the provider lets us; it does so itself in time."""
        for file_id in file_ids:
            try:
                with _said("deleting a file"):
                    self.client.files.delete(file_id)
            except BatchEndpointError:
                continue


@contextmanager
def open_endpoint(
    *, base_url: str, secret_ref: str | None, is_hasty: bool = False
) -> Iterator[BatchEndpoint]:
    """The endpoint at a base URL (with its `/v1`), with the key that `secret_ref` names (None: no key).

    `is_hasty` tries once, for ten seconds. Raises BatchEndpointError where the key cannot be read.
    """
    import openai

    secret = read_secret(secret_ref) if secret_ref else None
    if isinstance(secret, Missing):
        raise BatchEndpointError(secret.reason, status=401)
    with openai.OpenAI(
        base_url=base_url,
        api_key=secret.value if secret else "none",
        max_retries=0 if is_hasty else 2,
        timeout=10 if is_hasty else 60,
    ) as client:
        yield BatchEndpoint(client)


@contextmanager
def _said(what: str) -> Iterator[None]:
    """Failures of the client as our one error, told in one line."""
    import httpx2
    import openai

    try:
        yield
    except openai.APIStatusError as error:
        said = " ".join(error.message.split())[:300]
        raise BatchEndpointError(f"{what}: {said}", status=error.status_code) from None
    except (openai.OpenAIError, httpx2.HTTPError) as error:
        cause = type(error.__cause__ or error).__name__
        raise BatchEndpointError(f"{what}: no answer ({cause})", status=None) from None
    except (AttributeError, TypeError, ValueError):
        # The client hands on whatever a server says with status 200, a page in HTML, too.
        raise BatchEndpointError(f"{what}: the answer is not the Batch API's", status=None) from None


def _remote(batch: "Batch") -> RemoteBatch:
    counts = batch.request_counts
    told: list[Any] = list((batch.errors.data if batch.errors else None) or ())
    return RemoteBatch(
        id=batch.id,
        status=batch.status,
        created_at=_time(batch.created_at),
        expires_at=None if batch.expires_at is None else _time(batch.expires_at),
        output_file_id=batch.output_file_id or None,
        error_file_id=batch.error_file_id or None,
        n_completed=counts.completed if counts else 0,
        problems=tuple(LineProblem(e.code or "unknown", e.line, (e.message or "")[:300]) for e in told),
    )


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, tz=UTC)
