"""Every public name is documented, and the examples in the docstrings run."""

from __future__ import annotations

import doctest
import inspect
import re
from dataclasses import fields, is_dataclass
from typing import Any

import pytest

import factory_sim as fs

EXCEPTIONS = {
    name for name in fs.__all__ if isinstance(getattr(fs, name), type) and issubclass(getattr(fs, name), Exception)
}
DOCUMENTED = sorted({*fs.__all__} - EXCEPTIONS - {"Problem", "__version__"})
FUNCTIONS = [name for name in DOCUMENTED if inspect.isfunction(getattr(fs, name))]
CLASSES = [name for name in DOCUMENTED if inspect.isclass(getattr(fs, name))]
METHODS = [
    (name, method)
    for name in CLASSES
    for method, value in inspect.getmembers(getattr(fs, name), inspect.isfunction)
    if not method.startswith("_")
]


def sections(thing: Any) -> dict[str, str]:
    """The sections of a NumPy-style docstring, by heading."""
    parts = re.split(r"^(\w+)\n-{3,}$", inspect.getdoc(thing) or "", flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def parameters(thing: Any) -> list[str]:
    return [name for name in inspect.signature(thing).parameters if name != "self"]


def documented(text: str) -> set[str]:
    heads = re.findall(r"^(\S.*?)(?: :.*)?$", text, flags=re.MULTILINE)
    return {name.strip("* ") for head in heads for name in head.split(",")}


@pytest.mark.parametrize("name", DOCUMENTED)
def test_an_example_runs(name: str, request: pytest.FixtureRequest) -> None:
    found = doctest.DocTestFinder(recurse=True).find(getattr(fs, name), name, globs={})
    examples = [each for each in found if each.examples]
    if name in {"listen", "Feed", "record", "Recorded"}:
        request.getfixturevalue("feed_in_background")
    if name in {"history", "History", "play"}:
        request.getfixturevalue("recording")
    for each in examples:
        each.globs["broker_url"] = request.getfixturevalue("broker_url")
        output: list[str] = []
        results = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(each, out=output.append)
        assert not results.failed, "".join(output)
    assert examples, f"{name} has no example"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_documents_parameters_result_errors_and_an_example(name: str) -> None:
    function, found = getattr(fs, name), sections(getattr(fs, name))
    assert {"Parameters", "Returns", "Raises", "Examples"} <= set(found)
    assert documented(found["Parameters"]) == set(parameters(function))


@pytest.mark.parametrize(("name", "method"), METHODS)
def test_a_method_documents_parameters_and_result(name: str, method: str) -> None:
    function = getattr(getattr(fs, name), method)
    found = sections(function)
    assert (set(parameters(function)) <= documented(found.get("Parameters", ""))) or not parameters(function)
    assert "Returns" in found or inspect.signature(function).return_annotation in ("None", None)


@pytest.mark.parametrize("name", [*CLASSES, *sorted(EXCEPTIONS)])
def test_a_class_and_its_properties_have_a_first_sentence(name: str) -> None:
    of = getattr(fs, name)
    found = inspect.getmembers(of, lambda each: isinstance(each, property))
    properties = [value for each, value in found if not each.startswith("_")]
    for each in (of, *properties):
        first = (inspect.getdoc(each) or "").partition("\n")[0]
        assert first.endswith("."), f"{name}: {first!r}"


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_documents_its_attributes(name: str) -> None:
    of = getattr(fs, name)
    if is_dataclass(of):
        own = {each.name for each in fields(of)}
    else:
        own = set(re.findall(r"self\.([a-z]\w*) = ", inspect.getsource(of.__init__)))
    described = documented("".join(sections(of).get(part, "") for part in ("Attributes", "Parameters")))
    assert own <= described
