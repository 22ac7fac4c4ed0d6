"""The curves of a run as TensorBoard reads them: the numbers of the CSV files, and nothing else.

`tensorboardX` has the messages and the checksum. Its own writer is not used: it writes in the
background, where a full disk stops nobody, and names its files after the computer.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from slideconcord.annotations.exchange import make_folder
from slideconcord.errors import ParameterError
from slideconcord.training.log import Value, append

_FILE = "events.out.tfevents."
_VERSION = "brain.Event:2"


class TensorBoardLog:
    """A table as event files of TensorBoard: one more for each time that the run goes on.

    Parameters
    ----------
    folder
        Made when it is not there. TensorBoard takes it for one run.
    kept
        The rows up to ``step``; they are written where the run had no such log so far.
    step
        How far the run had come. What was written beyond it does not count any more.

    Raises
    ------
    ParameterError
        When tensorboardX is not installed.
    OutputError
        When the folder cannot be written.
    """

    def __init__(self, folder: Path, kept: Iterable[Mapping[str, Value]], step: int) -> None:
        require_tensorboard()
        make_folder(folder)
        self._path = folder / f"{_FILE}{step:012d}"  # TensorBoard reads them in this order
        for path in folder.glob(f"{_FILE}*"):
            if path >= self._path:
                path.unlink()
        is_new = not any(folder.glob(f"{_FILE}*"))
        self._add(file_version=_VERSION)
        # TensorBoard forgets what it has read of this step and later ones.
        self._add(step=step + 1, session_log={"status": "START"})
        for row in kept if is_new else ():
            self.write(int(row["step"] or 0), row)

    def write(self, step: int, values: Mapping[str, Value]) -> None:
        """Add a row; the file has it when this returns. TensorBoard keeps 32 bits of a number."""
        scalars = [
            {"tag": name, "simple_value": value}
            for name, value in values.items()
            if name != "step" and value is not None
        ]
        self._add(step=step, summary={"value": scalars})

    def _add(self, **fields: Any) -> None:
        from tensorboardX.proto.event_pb2 import Event

        append(self._path, _record(Event(wall_time=time.time(), **fields).SerializeToString()))


def _record(data: bytes) -> bytes:
    """Return a TFRecord: length, its checksum, data, their checksum."""
    from tensorboardX.record_writer import masked_crc32c

    length = struct.pack("<Q", len(data))
    sums = (struct.pack("<I", masked_crc32c(part)) for part in (length, data))
    return length + next(sums) + data + next(sums)


def require_tensorboard() -> None:
    """Refuse where tensorboardX is not installed.

    Raises
    ------
    ParameterError
        With the line that installs it.
    """
    try:
        import_module("tensorboardX")
    except ImportError as error:
        raise ParameterError(
            "The log for TensorBoard needs tensorboardX, which is not installed. "
            "Run: pip install 'slideconcord[tensorboard]'"
        ) from error
