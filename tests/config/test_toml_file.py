from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workerhub.config.toml_file import UnreadableError, read_toml

if TYPE_CHECKING:
    from workerhub.config.tree import Key

names = st.sampled_from(["a", "b-c", '"d.e"', "'f g'", '"\\u00e9"', '""'])
values = st.sampled_from(
    [
        "1",
        '"[x]"',
        "[\n 1, # [no header]\n\n 2,\n]",
        '"""\n[a]\nb = 1\n"""',
        "'''\n'''",
        "{ x = 1, y = { z = 2 } }",
        "1979-05-27T07:32:00Z",
        "[[1], [2]]",
    ]
)


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, list[tuple[Key, int]]]:
    """A document, and the line in which each of its statements starts; keys are made unique by a number."""
    text = ""
    lines: list[tuple[Key, int]] = []
    header: Key = ()
    for number in range(draw(st.integers(0, 6))):
        text += draw(st.sampled_from(["", "\n", "# [comment]\n", "  \n\t# x = 1\n"]))
        line = text.count("\n") + 1
        name = f"k{number}"
        rest = draw(names)
        part = tomllib.loads(f"{rest} = 1").popitem()[0]
        if draw(st.booleans()):
            header = (name, part)
            text += draw(st.sampled_from(["[{}.{}]\n", " [ {} . {} ] # [[x]]\n"])).format(name, rest)
            lines.append((header, line))
        else:
            text += f"{name}.{rest} = {draw(values)} # end\n"
            lines.append(((*header, name, part), line))
    return text, lines


@given(documents())
def test_every_statement_has_its_line(document: tuple[str, list[tuple[Key, int]]]) -> None:
    text, lines = document
    found = read_toml(text)
    assert found.tree == tomllib.loads(text)
    for key, line in lines:
        inside = [where for known, where in found.lines.items() if known[: len(key)] == key]
        assert inside, key
        assert min(inside) == line


def test_inner_keys_have_the_line_of_their_statement() -> None:
    assert read_toml("a = 1\nb.c = { d = 1, e = { f = 2 } }").lines == {
        ("a",): 1,
        ("b",): 2,
        ("b", "c"): 2,
        ("b", "c", "d"): 2,
        ("b", "c", "e"): 2,
        ("b", "c", "e", "f"): 2,
    }


def test_windows_line_ends() -> None:
    assert read_toml('a = 1\r\nb = """\r\n"""\r\nc = 1\r\n').lines == {("a",): 1, ("b",): 2, ("c",): 4}


def test_a_line_separator_inside_a_string_is_no_line_end() -> None:
    assert read_toml('a = "\u2028"\nb = 1').lines[("b",)] == 2


@pytest.mark.parametrize("text", [f"a = {'1' * 5000}", f"a = {'[' * 5000}{']' * 5000}"], ids=["number", "nesting"])
def test_what_is_too_much_is_no_crash(text: str) -> None:
    with pytest.raises(UnreadableError, match="not valid TOML"):
        read_toml(text)


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [("a = ", 1, 0), ("a = 1\nb", 2, 0), ("a = 1\nb = [\n1,\n", 2, 0), ("a = 1 2", 1, 7), ("[a]\n[a]", 2, 3)],
)
def test_mistakes_have_a_place(text: str, line: int, column: int) -> None:
    with pytest.raises(UnreadableError) as caught:
        read_toml(text)
    assert (caught.value.line, caught.value.column) == (line, column)


def test_toml_1_1_is_read() -> None:
    tree: dict[str, Any] = {"a": {"x": 1, "y": 2}}
    assert read_toml("a = {\n  x = 1,\n  y = 2,\n}\n").tree == tree
