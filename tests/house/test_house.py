"""What the package's build has reached stays reached. The lists of exceptions only shrink."""

from tests.house import source

MODULES = source.read_modules()


def test_few_modules_lie_directly_in_the_package() -> None:
    assert len(source.top_modules(MODULES)) <= 5


def test_no_file_becomes_too_long() -> None:
    assert source.long_files(MODULES) == {}


def test_a_class_name_stands_once() -> None:
    assert source.repeated_classes(MODULES) == {}


def test_large_functions_do_not_multiply() -> None:
    assert len(source.large_functions(MODULES)) <= 2


def test_small_files_do_not_multiply() -> None:
    assert len(source.short_files(MODULES)) <= 5


def test_an_option_of_subscriptions_touches_no_more_files() -> None:
    assert len(source.files_naming(MODULES, "max_wait_s")) <= 3


def test_figures_are_read_from_the_source() -> None:
    text = "class A:\n    class B: ...\n\nclass A:\n    async def f(self, a, b, *, c, d, e, g): ...\n"
    module = source.Module("room/name.py", text)
    assert source.repeated_classes([module]) == {"A": ["room/name.py", "room/name.py"]}
    assert source.large_functions([module]) == {"room/name.py:f": "6 parameters"}
    assert source.short_files([module]) == {"room/name.py": 5}
    assert source.repeated_modules([module, source.Module("other/name.py", "")]) == {
        "name": ["room/name.py", "other/name.py"]
    }
