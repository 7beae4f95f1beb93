"""What the longer measurements rest on."""

import sys
from pathlib import Path

import pytest

from receiver.ledger.rebuild import Comparison
from receiver.storage.engine import Store
from tests.bench.bench_env import BenchEnv
from tests.bench.figures import Goal, ratios
from tests.bench.growth import filled, record_one_task
from tests.bench.postgres import Postgres
from tests.bench.profile import own_time, py_spy
from tests.bench.rounds import Sample
from tests.bench.traffic import ID_FIELD, Traffic, one_task, requests
from tests.ledger.projecting import verify


@pytest.mark.parametrize("random_refs", [False, True], ids=["refs by time", "refs anywhere"])
def test_a_filled_ledger_is_what_the_product_would_have_written(tmp_path: Path, random_refs: bool) -> None:
    bench_env = BenchEnv(tmp_path, Postgres(tmp_path), random_refs=random_refs)
    base = record_one_task(bench_env)
    path = filled(base, tmp_path / "data", 2000)
    assert filled(base, tmp_path / "data", 2000) == path
    store = Store(path)
    with store.snapshot() as connection:
        counts = {
            table: connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one()
            for table in ("fact", "delivery", "task")
        }
    assert counts == {"fact": 2000, "delivery": 2000, "task": 500}
    assert verify(store) == Comparison([], 0)
    store.close()


@pytest.mark.parametrize(
    "traffic",
    [
        Traffic("minted"),
        Traffic("plain"),
        Traffic("stripe", "/webhook", "whsec_test", event="product.created"),
    ],
    ids=lambda traffic: traffic.kind,
)
def test_no_two_requests_have_the_same_id_and_each_carries_its_own(traffic: Traffic) -> None:
    made = requests(traffic, 500, seed=1) + requests(traffic, 500, seed=2)
    assert len({unique for unique, _ in made}) == 1000
    assert all(unique.encode() in request for unique, request in made)


def test_one_task_has_four_hooks_to_urls_of_its_own() -> None:
    hooks = one_task(Traffic("minted"), seed=3)
    paths = [request.split()[1].decode() for _, request in hooks]
    assert [path.split("/")[3] for path in paths] == ["before", "before_again", "success", "after"]
    assert len({path.split("/")[4] for path in paths}) == 1
    assert all(f'"{ID_FIELD}"'.encode() in request for _, request in hooks)


def test_ratios_are_taken_within_rounds() -> None:
    def sample(name: str, number: int, rate: float) -> Sample:
        return Sample(name, number, rate, {}, 1, {}, 0)

    slow_round = [sample("ours", 1, 10.0), sample("theirs", 1, 5.0)]
    fast_rounds = [sample(name, number, 900.0) for name in ("ours", "theirs") for number in (2, 3)]
    (figure,) = ratios([*slow_round, *fast_rounds], [("ours", "theirs", Goal("ours ÷ theirs"))])
    assert (figure.value.median, figure.value.least, figure.value.most) == (1.0, 1.0, 2.0)


def test_a_profile_finds_the_py_spy_of_its_own_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = tmp_path / "venv"
    for folder in (ours, tmp_path / "elsewhere"):
        folder.mkdir()
        (folder / "py-spy").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "elsewhere"))
    assert py_spy() != str(ours / "py-spy")
    monkeypatch.setattr(sys, "executable", str(ours / "python"))
    assert py_spy() == str(ours / "py-spy")


def test_a_profile_counts_functions_and_packages_but_not_waiting_threads() -> None:
    stacks = (
        "main (/lib/python3.11/site-packages/uvicorn/server.py);send (/lib/python3.11/json/encoder.py) 3",
        "main (x.py);handle (/lib/python3.11/site-packages/uvicorn/server.py) 2",
        "_worker (/lib/python3.11/concurrent/futures/thread.py) 90",
    )
    functions, packages = own_time(stacks)
    assert functions == {"send (json/encoder.py)": 3, "handle (uvicorn/server.py)": 2}
    assert packages == {"json": 3, "uvicorn": 2}
