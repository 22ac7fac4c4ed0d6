"""The output folder of a run: whose it is, how far it got, and the step to finished.

OUT/probability.partial.zarr, OUT/run.partial/    while it grows (journal, spool)
OUT/probability.zarr, OUT/run.json                when it is whole
"""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from slideconcord.errors import OutputError, SlideconcordError
from slideconcord.provenance import record
from slideconcord.segmentation.chunks import ChunkedArray
from slideconcord.segmentation.journal import Journal
from slideconcord.segmentation.lock import FolderLock
from slideconcord.segmentation.plan import Plan, unlike_model
from slideconcord.segmentation.probability import (
    ATTRIBUTES,
    MAP_NAME,
    PARTIAL_NAME,
    ProbabilityMap,
    open_probability,
    write_about,
)
from slideconcord.slides.ngff import create_pyramid, read_multiscale

RUN_NAME = "run.json"
_STATE_NAME, _JOURNAL_NAME = "run.partial", "journal.jsonl"


@contextmanager
def told(out: Path) -> Generator[None]:
    """Say in our words why the folder could not be written."""
    try:
        yield
    except OSError as error:
        if isinstance(error, SlideconcordError):
            raise
        why = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else error.strerror
        raise OutputError(
            f"{out} cannot be written: {why or error}. Finished tiles are kept; "
            "make room and run the same again to go on.",
            out,
        ) from error


class Run:
    """An output folder taken by one process, as a context manager.

    Raises
    ------
    OutputError
        When the folder cannot be written, belongs to another run, or is in use.
    """

    def __init__(self, out: Path, plan: Plan, *, overwrite: bool = False) -> None:
        self.out = out
        self._plan = plan
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{out} cannot be made: {error.strerror}.", out) from error
        self._lock = FolderLock(out)
        try:
            with told(out):
                self._claim(overwrite)
                self.finished = self._is_finished()
                if not self.finished:
                    self._open_state()
        except BaseException:
            self._lock.release()
            raise

    @property
    def state(self) -> Path:
        """The folder of what only an unfinished run needs."""
        return self.out / _STATE_NAME

    def map(self) -> ProbabilityMap:
        return open_probability(self.out)

    def finish(self) -> ProbabilityMap:
        """Give the map its final name and record how it was made."""
        made = self._record()
        partial, draft = self.out / PARTIAL_NAME, self.state / RUN_NAME
        text = json.dumps({"key": self._plan.key, **made}, indent=2, ensure_ascii=False) + "\n"
        with told(self.out):
            if partial.is_dir():
                write_about(partial, {**self._about(), "provenance": made})
                partial.rename(self.out / MAP_NAME)
            draft.write_text(text, encoding="utf-8")
            draft.replace(self.out / RUN_NAME)
        self.journal.close()
        shutil.rmtree(self.state, ignore_errors=True)
        self.finished = True
        return self.map()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self.finished:
            self.journal.close()
        self._lock.release()

    def _claim(self, overwrite: bool) -> None:
        """Make sure that the folder is ours or empty."""
        keys = {key for key in (_run_key(self.out), _journal_key(self.state)) if key is not None}
        is_ours = keys == {self._plan.key}
        there = [name for name in (MAP_NAME, PARTIAL_NAME) if (self.out / name).exists()]
        if is_ours or not (keys or there):
            return
        if not overwrite:
            what = "another run (another slide, model or choice of parameters)"
            raise OutputError(
                f"{self.out} holds {what if keys else there[0] + ' of unknown origin'}. "
                "Choose another place, or pass overwrite=True (--overwrite) to replace it.",
                self.out,
            )
        for name in (MAP_NAME, PARTIAL_NAME, _STATE_NAME):
            shutil.rmtree(self.out / name, ignore_errors=True)
        (self.out / RUN_NAME).unlink(missing_ok=True)

    def _is_finished(self) -> bool:
        return (
            _run_key(self.out) == self._plan.key
            and (self.out / MAP_NAME).is_dir()
            and not (self.out / PARTIAL_NAME).exists()
        )

    def _open_state(self) -> None:
        partial, whole = self.out / PARTIAL_NAME, self.out / MAP_NAME
        resumes = _journal_key(self.state) is not None
        # A crash between the last two steps of `finish` leaves the map finished, run.json not.
        if not (resumes and (partial.is_dir() or whole.is_dir())):
            shutil.rmtree(partial, ignore_errors=True)
            shutil.rmtree(self.state, ignore_errors=True)
            self.state.mkdir()
        # The journal says whose the map is, so it comes first.
        self.journal = Journal(self.state / _JOURNAL_NAME, self._plan.key)
        if not (partial.is_dir() or whole.is_dir()):
            self._create(partial)
        where = partial if partial.is_dir() else whole
        count = len(read_multiscale(where).arrays)
        self.arrays = [ChunkedArray(where / str(level), self.state) for level in range(count)]

    def _create(self, partial: Path) -> None:
        plan, draft = self._plan, self.state / "map"
        create_pyramid(
            draft,
            plan.grid.shape,
            channels=plan.model.spec.classes,
            dtype="uint8",
            frame_scale_um=plan.frame.scale_um(plan.slide.mpp),
            translate_um=plan.frame.translate_um(plan.slide.mpp),
            name=plan.model.name,
            attributes={ATTRIBUTES: {**self._about(), "provenance": self._origin()}},
        )
        draft.rename(partial)

    def _about(self) -> dict[str, Any]:
        """Return what a map says of itself beside OME-Zarr."""
        plan, frame, bounds = self._plan, self._plan.frame, self._plan.slide.bounds
        return {
            "kind": "probability",
            "classes": list(plan.model.spec.classes),
            "target": plan.model.spec.target_class,
            "low": plan.model.spec.low,
            "high": plan.model.spec.high,
            "frame": [frame.origin_y, frame.origin_x, frame.step_y, frame.step_x],
            "mpp": list(plan.mpp),
            "slide_mpp": list(plan.slide.mpp),
            "slide_name": plan.slide.name,
            "slide_fingerprint": plan.slide.fingerprint,
            "slide_bounds": bounds and [bounds.y, bounds.x, bounds.height, bounds.width],
        }

    def _origin(self) -> dict[str, Any]:
        """Return what is known of the result before it is there."""
        spec = self._plan.model.spec
        return {
            "slide": {
                "name": self._plan.slide.name,
                "fingerprint": self._plan.slide.fingerprint,
                "mpp_source": self._plan.slide.mpp_source,
            },
            "model": {"name": spec.name, "version": spec.version, "hash": spec.hash},
            "parameters": self._plan.parameters,
        }

    def _record(self) -> dict[str, Any]:
        note = unlike_model(self._plan.model.spec, self._plan.grid.tile_px)
        return record(
            **self._origin(),
            tiles=len(self._plan.grid),
            device=self._plan.model.device,
            **({} if note is None else {"notes": [note]}),
            damaged_tiles=[list(tile) for tile in sorted(self.journal.damaged)],
        )


def _run_key(out: Path) -> str | None:
    try:
        run = json.loads((out / RUN_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return run.get("key", "") if isinstance(run, dict) else ""


def _journal_key(state: Path) -> str | None:
    try:
        with (state / _JOURNAL_NAME).open(encoding="utf-8") as file:
            first = json.loads(file.readline())
    except (OSError, ValueError):
        return None
    return first.get("key") if isinstance(first, dict) else None
