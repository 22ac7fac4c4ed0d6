"""Many observers, one folder: who annotates which slides, in which rounds, and how far they are."""

from slideconcord.annotations.studies.desk import Desk
from slideconcord.annotations.studies.finished import FinishedReading, finished_readings
from slideconcord.annotations.studies.progress import Progress, ReadingStatus, progress_of, statuses
from slideconcord.annotations.studies.reading import Reading
from slideconcord.annotations.studies.study import (
    Agreement,
    Observer,
    Round,
    Study,
    StudySlide,
)
from slideconcord.annotations.studies.study_files import open_study, write_study

__all__ = [
    "Agreement",
    "Desk",
    "FinishedReading",
    "Observer",
    "Progress",
    "Reading",
    "ReadingStatus",
    "Round",
    "Study",
    "StudySlide",
    "finished_readings",
    "open_study",
    "progress_of",
    "statuses",
    "write_study",
]
