"""Annotations under a hand: changes as values, undo, and a journal that survives a crash."""

from slideconcord.annotations.editing.change import Change
from slideconcord.annotations.editing.class_list import UNCLASSIFIED, ClassList
from slideconcord.annotations.editing.document import Document, read_document
from slideconcord.annotations.editing.kept import About
from slideconcord.annotations.editing.sheet import Sheet

__all__ = ["UNCLASSIFIED", "About", "Change", "ClassList", "Document", "Sheet", "read_document"]
