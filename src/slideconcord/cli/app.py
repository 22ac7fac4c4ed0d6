"""The ``slideconcord`` command: its subcommands, and the one place where errors are told."""

from __future__ import annotations

import io
import logging
import os
import sys
import warnings
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Annotated, Any

import typer

from slideconcord import __version__
from slideconcord.cli import (
    annotate,
    compare,
    demonstrate,
    doctor,
    experiment,
    look,
    models,
    postprocess,
    register,
    segment,
    study,
    sweep,
    train,
)
from slideconcord.cli.outcome import BAD_INPUT, STOPPED, StoppedError, complain, debugging
from slideconcord.errors import SlideconcordError

app = typer.Typer(
    name="slideconcord",
    help="Segment whole slides, tune the result by hand, export it. Research use only.",
    epilog="Exit status: 0 done, 1 some inputs failed (each is named), 2 usage or bad input.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(look.info)
app.command()(look.view)
app.command()(segment.segment)
app.command()(segment.threshold)
app.command()(postprocess.postprocess)
app.command()(sweep.sweep)
app.command()(register.register)
app.add_typer(compare.app)
app.add_typer(study.app)
app.command()(train.train)
app.command()(experiment.experiment)
app.command()(annotate.convert)
app.command()(look.sample)
app.add_typer(models.app)
app.command()(doctor.doctor)
app.command()(demonstrate.demo)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show it.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show a traceback with an error (works anywhere).")
    ] = False,
) -> None:
    # Both are dealt with before a command runs; they stand here for --help.
    del version, debug


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0, 1, 2, or 130 after Ctrl-C."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debugging.set(_take_debug(words))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    with nullcontext() if debugging.get() else _quiet_libraries():
        return _run(words)


def _run(words: list[str]) -> int:
    # Not app(...): that would put typer's own excepthook in place of ours.
    command: Any = typer.main.get_command(app)
    try:
        status = command(words or ["--help"], prog_name="slideconcord", standalone_mode=False) or 0
    except BrokenPipeError:
        return _leave_pipe()
    except typer.TyperException as error:
        if message := error.format_message():
            complain(typer.TyperException(_with_help(message, words, command.commands)))
        return BAD_INPUT
    except (SlideconcordError, OSError, MemoryError) as error:
        complain(error)
        return BAD_INPUT
    except (StoppedError, typer.Abort) as error:
        print(f"slideconcord: {error or 'stopped.'}", file=sys.stderr)
        return STOPPED
    if status == STOPPED:
        print("slideconcord: stopped.", file=sys.stderr)
    return int(status)


def _take_debug(words: list[str]) -> bool:
    """Remove ``--debug`` wherever it stands before ``--``; return whether it was there."""
    end = words.index("--") if "--" in words else len(words)
    before = [word for word in words[:end] if word != "--debug"]
    found = len(before) < end
    words[:end] = before
    return found


def _with_help(message: str, words: Sequence[str], commands: Container[str]) -> str:
    """Finish the parser's sentence with what to do."""
    known = [word for word in words[:1] if word in commands]
    end = "" if message.endswith(("?", ".")) else "."
    return f"{message}{end} See: {' '.join(['slideconcord', *known])} --help"


@contextmanager
def _quiet_libraries() -> Iterator[None]:
    """Keep what libraries say of a broken file off stderr: the error's own line says it."""
    disabled, hook = logging.root.manager.disable, sys.excepthook
    sys.excepthook = _tell_bug
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(disabled)
    # Not reached when an unexpected error passes: it is told by our hook.
    sys.excepthook = hook


def _tell_bug(kind: type[BaseException], error: BaseException, _: object) -> None:
    what = " ".join(str(error).split())
    print(
        f"slideconcord: unexpected {kind.__name__}: {what}. This is a bug: "
        "run the same command with --debug and report what it prints.",
        file=sys.stderr,
    )


def _leave_pipe() -> int:
    """End quietly when the reader of our output (``| head``) has gone."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1
