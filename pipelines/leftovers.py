"""What a git or a DVC that was killed leaves behind, put right before the next one starts.

DVC writes ``.dvc/tmp/rwlock``, ``dvc.lock`` and ``*.dvc`` in place (``dvc/rwlock.py``,
``dvc/utils/serialize/_common.py``): killed in that moment it leaves a file that none of its commands reads.
git leaves the lock files that it made. A command that is alive is left alone.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import yaml

from components.adapters.whole_file import write_whole

_log = logging.getLogger(__name__)


def mend(root: Path) -> None:
    """Put right what a killed git or DVC left in the workspace ``root``; what is whole is not touched.

    A damaged ``dvc.lock`` or ``*.dvc`` is put back as last committed, or removed when it never was: the
    stages that ran since then run again, or come from DVC's run cache.
    """
    drop_git_locks(root / ".git")
    scratch = root / ".dvc" / "tmp"
    with _alone(scratch / "rwlock.lock") as alone:
        if alone and not _is_json_object(scratch / "rwlock"):
            _log.warning("removed %s, which a killed DVC had left half-written", scratch / "rwlock")
            (scratch / "rwlock").unlink()
    with _alone(scratch / "lock") as alone:
        for path in (root / "dvc.lock", *root.glob("data/*/*.dvc")) if alone else ():
            if not _is_whole(path):
                _log.warning("put %s back as last committed: a killed DVC had left it half-written", path)
                _put_back(root, path)


def drop_git_locks(git: Path) -> None:
    """Remove ``*.lock`` of the repository ``git``, unless a git of this machine works there."""
    locks = [path for folder in (git, *git.glob("refs/**/")) for path in folder.glob("*.lock")]
    if locks and not any(_works_in(git.parent, process) for process in psutil.process_iter(("name", "cwd"))):
        for lock in locks:
            _log.warning("removed %s, which a killed git had left", lock)
            lock.unlink(missing_ok=True)


def _works_in(root: Path, process: psutil.Process) -> bool:
    """Whether a process is a git in ``root``; one of another user may be."""
    folder = process.info["cwd"]
    return str(process.info["name"]).startswith("git") and (
        folder is None or Path(folder).is_relative_to(root.resolve())
    )


@contextmanager
def _alone(lock: Path) -> Iterator[bool]:
    """Hold one of DVC's locks if no DVC does, as zc.lockfile takes it; without the file no DVC ever ran."""
    if not lock.exists():
        yield False
        return
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def _is_json_object(path: Path) -> bool:
    try:
        return isinstance(json.loads(path.read_bytes()), dict)
    except FileNotFoundError:
        return True
    except ValueError:
        return False


def _is_whole(path: Path) -> bool:
    """Whether DVC reads the YAML file ``path``; tried with every line at which it can be cut off."""
    try:
        text = path.read_text(encoding="utf-8")
        content = yaml.safe_load(text)
    except FileNotFoundError:
        return True
    except (yaml.YAMLError, ValueError):
        return False
    cut_off = not text.endswith("\n") or text.endswith(":\n") or not isinstance(content, dict)
    return not cut_off and all("path" in out for out in content.get("outs", ()))


def _put_back(root: Path, path: Path) -> None:
    """What lay there is kept beside DVC's other scratch files: a person may have written it."""
    name = path.relative_to(root).as_posix()
    committed = subprocess.run(("git", "show", f"HEAD:{name}"), cwd=root, capture_output=True, check=False)
    os.replace(path, root / ".dvc" / "tmp" / f"damaged-{path.name}")
    if not committed.returncode:
        write_whole(path, committed.stdout)
