"""The folder of a training run: whose it is, how far it got, and when it is finished.

OUT/recipe.yaml               all settings
OUT/run.json                  what it was made from, and whether it is finished
OUT/train.csv, checks.csv     the curves; in OUT/tensorboard too, where that was wanted
OUT/checkpoint.safetensors    where it stands, best.safetensors the best weights: while it runs
OUT/model/, curves.png        the result
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from slideconcord.annotations.exchange import atomic, make_folder
from slideconcord.errors import MismatchError, OutputError
from slideconcord.provenance import record
from slideconcord.segmentation.lock import FolderLock

RUN, RECIPE, CHECKPOINT, BEST = (
    "run.json",
    "recipe.yaml",
    "checkpoint.safetensors",
    "best.safetensors",
)
TRAIN_LOG, CHECK_LOG, CURVES, MODEL = "train.csv", "checks.csv", "curves.png", "model"
TENSORBOARD = "tensorboard"
_OURS = (RUN, RECIPE, CHECKPOINT, BEST, TRAIN_LOG, CHECK_LOG, CURVES)


class OtherTrainingError(OutputError):
    """A folder that holds a training of other settings or data; ``found`` says so alone."""

    def __init__(self, path: Path) -> None:
        self.found = f"{path} holds another training: other settings or other data."
        remedy = "Choose another place, or pass overwrite=True (--overwrite) to replace it."
        super().__init__(f"{self.found} {remedy}", path)


class RunFolder:
    """An output folder taken by one process, as a context manager.

    Parameters
    ----------
    path
        The folder; made when it is not there.
    key
        Names recipe and data: a folder of another key is refused.
    made_from
        What run.json records.
    overwrite
        Whether to remove what another run left.

    Raises
    ------
    OutputError
        When the folder cannot be written, belongs to another run, or is in use.
    """

    def __init__(
        self, path: Path, key: str, made_from: dict[str, Any], *, overwrite: bool = False
    ) -> None:
        self.path = path
        self._facts = {"key": key, **made_from}
        make_folder(path)
        self._lock = FolderLock(path)
        try:
            self._claim(overwrite)
        except BaseException:
            self._lock.release()
            raise

    @property
    def finished(self) -> bool:
        return bool(_read_run(self.path).get("finished")) and (self.path / MODEL).is_dir()

    def record(self, *, finished: bool, **facts: Any) -> dict[str, Any]:
        """Write run.json and return it."""
        made = {**record(**self._facts), **facts, "finished": finished}
        with atomic(self.path / RUN) as partial:
            text = json.dumps(made, indent=2, ensure_ascii=False) + "\n"
            partial.write_text(text, encoding="utf-8")
        return made

    def tidy(self) -> None:
        """Remove what only an unfinished run needs."""
        for name in (CHECKPOINT, BEST):
            (self.path / name).unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lock.release()

    def _claim(self, overwrite: bool) -> None:
        there = _read_run(self.path).get("key")
        if there == self._facts["key"] and not overwrite:
            return
        # Where no check was ever reached there is nothing to lose.
        if not overwrite and any((self.path / name).exists() for name in (CHECKPOINT, BEST, MODEL)):
            raise OtherTrainingError(self.path)
        for name in _OURS:
            (self.path / name).unlink(missing_ok=True)
        for name in (MODEL, TENSORBOARD):
            shutil.rmtree(self.path / name, ignore_errors=True)
        self.record(finished=False)


def refuse_place(path: Path) -> None:
    """Refuse early, before data are read, a place where no folder can be made or filled.

    Raises
    ------
    OutputError
        When it is a file, lies in one, or nothing may be written there.
    """
    whole = path.absolute()
    there = next(place for place in (whole, *whole.parents) if place.exists())
    if not there.is_dir():
        raise OutputError(f"{there} is a file, where a folder belongs: choose another place.", path)
    if not os.access(there, os.W_OK):
        raise OutputError(f"Nothing can be written into {there}: choose another place.", path)


def refuse_other_data(run: Path, fingerprint: str) -> None:
    """Refuse to take data for those of a run that are not: what it held out cannot be told in them.

    Data that phases have labelled, and models without a run beside them, are not looked at.

    Raises
    ------
    MismatchError
        When run.json tells of other data.
    """
    data = _read_run(run).get("data", {})
    if "labelled" not in data and data.get("fingerprint", fingerprint) != fingerprint:
        raise MismatchError(
            f"These are not the data that {run} was made with, so nobody knows which of them it "
            "has seen: give those (--data), or say by --recipe what these are."
        )


def _read_run(folder: Path) -> dict[str, Any]:
    try:
        run = json.loads((folder / RUN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return run if isinstance(run, dict) else {}
