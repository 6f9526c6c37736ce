"""Asking at a terminal for what was left out, until each answer fits."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

import click

from ..contract import Contract, Parameter, is_upload
from ..errors import InvalidArgument
from .options import choices, is_list, metavar, read_one

_YES_OR_NO = {"y": "true", "yes": "true", "true": "true", "n": "false", "no": "false", "false": "false"}


def may_ask(*, no_input: bool) -> bool:
    """Tell whether somebody sits there who can be asked: both ends of the question are a terminal."""
    return not no_input and sys.stdin.isatty() and sys.stderr.isatty()


def asked(contract: Contract, given: Mapping[str, Any]) -> dict[str, Any]:
    """Ask for each required parameter that was left out; return what was given with the answers.

    Nothing is asked when something that was given does not fit: the command fails in any case.

    Args:
        contract: what the operation asks for.
        given: the text of each option by parameter name; None or nothing for those left out.

    Raises:
        click.Abort: Ctrl+C, or the end of the input.
    """
    parameters = (*contract.parameters, *contract.uploads)
    present = {name for name, value in given.items() if value not in (None, ())}
    if any(p.name in present and _problem(contract, p, given[p.name]) for p in parameters):
        return dict(given)
    missing = [p for p in parameters if p.required and p.name not in present]
    return {**given, **{p.name: _ask(contract, p) for p in missing}}


def _problem(contract: Contract, parameter: Parameter, given: Any) -> str:
    """Return what is wrong with one value, or nothing."""
    try:
        with ExitStack() as files:
            read_one(contract, parameter, given, files)
    except InvalidArgument as error:
        name = f"$.{parameter.name}"
        return "; ".join(f"{p.path.removeprefix(name).lstrip('.')} {p.message}".strip() for p in error.problems)
    return ""


def _ask(contract: Contract, parameter: Parameter) -> Any:
    if is_list(parameter):
        return _ask_for_many(contract, parameter)
    return _answer(_question(parameter), parameter, lambda text: _problem(contract, parameter, text))


def _ask_for_many(contract: Contract, parameter: Parameter) -> list[str]:
    """Ask until an empty line; what only all items together break is said then, and all are asked for again."""
    while True:
        items: list[str] = []
        question = f"{_question(parameter)}, one a line, an empty one ends"
        while text := _answer(question, parameter, lambda text: _item_problem(contract, parameter, text), default=""):
            items.append(text)
            question = "  and"
        if not (problem := _problem(contract, parameter, items)):
            return items
        click.echo(f"Error: {problem}", err=True)


def _item_problem(contract: Contract, parameter: Parameter, text: str) -> str:
    problem = _problem(contract, parameter, [text]) if text else ""
    return problem.removeprefix("[0]").strip() if problem.startswith("[0]") else ""


def _question(parameter: Parameter) -> str:
    """Return the name, what may be answered if that is not just text, and what the docstring says."""
    name = parameter.name.strip("_").replace("_", " ")
    options = choices(parameter)
    form = "FILE" if is_upload(parameter.type) else metavar(parameter)
    if options:
        form = f"[{'y|n' if options == ['true', 'false'] else '|'.join(options)}]"
    elif form == "JSON":
        form = "as JSON or @FILE"
    doc = f" ({parameter.doc.rstrip('.')})" if parameter.doc else ""
    return name + doc + ("" if form in ("TEXT", "PATH") else f" {form}")


def _answer(question: str, parameter: Parameter, problem: Callable[[str], str], default: str | None = None) -> str:
    """Ask until the answer fits."""

    def check(text: str) -> str:
        text.encode()
        if choices(parameter) == ["true", "false"]:
            text = _YES_OR_NO.get(text.strip().lower(), text)
        if found := problem(text):
            raise click.UsageError(found)
        return text

    while True:
        try:
            hidden = parameter.sensitive
            return click.prompt(question, default, hidden, value_proc=check, show_default=False, err=True)
        except UnicodeError:
            click.echo("Error: Expected text in UTF-8.", err=True)
