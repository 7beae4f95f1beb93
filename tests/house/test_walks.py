"""Walks show the functions of the package, in order of the first call."""

from tests.house.walks import walk_way


def test_a_hook_is_read_committed_and_answered() -> None:
    walk = walk_way("hook")
    names = [function.name for function in walk.functions]
    way = ["HookConnection.data_received", "HookSigner.verify", "StoreInbox.append", "Store.append"]
    assert [name for name in names if name in way] == way
    assert not any("<" in name for name in names)
    rest = walk.without_domain()
    assert 0 < len(rest.functions) < len(walk.functions)
    assert "domain/hooks.py" in walk.files()
    assert "domain/hooks.py" not in rest.files()
