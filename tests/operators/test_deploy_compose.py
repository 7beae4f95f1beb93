"""config/compose.yaml: valid, whole, and what it gives the receiver starts one. No engine is asked."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import compose_spec
import httpx2
import pytest
import yaml

from tests.e2e.processes import RECEIVER, free_port
from tests.operators.image import TOP, steps
from tests.operators.started import documents, image_environment, started, unknown_settings
from tests.postgres import fresh_database

FOLDER = TOP / "config"
_VARIABLE = re.compile(r"\$\{(\w+):([?-])([^}]*)\}")


def demo_values() -> dict[str, str]:
    lines = (FOLDER / "docker/demo.env").read_text().splitlines()
    pairs = (line.split("=", 1) for line in lines if line and line[0] != "#")
    return {name: value.strip("'") for name, value in pairs}


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with its variables' values, as compose has it. Raises KeyError where one must be given."""

    def value(match: re.Match[str]) -> str:
        name, how, rest = match.groups()
        return values[name] if how == "?" else values.get(name) or rest

    return _VARIABLE.sub(value, text)


def nodes(node: Any, act: Callable[[str], str]) -> Any:
    """The same tree, each of its texts changed."""
    if isinstance(node, dict):
        return {name: nodes(each, act) for name, each in node.items()}
    if isinstance(node, list):
        return [nodes(each, act) for each in node]
    return act(node) if isinstance(node, str) else node


def compose(values: Mapping[str, str]) -> Any:
    """The file with merges done and variables filled in."""
    (whole,) = documents("compose.yaml")
    return nodes(whole, lambda text: filled(text, values))


SERVICES: dict[str, dict[str, Any]] = compose(demo_values())["services"]


def mounts(service: str) -> list[list[str]]:
    return [each.split(":") for each in SERVICES[service].get("volumes", [])]


def test_it_is_what_the_specification_allows() -> None:
    compose_spec.PyCompose.from_yaml(yaml.safe_dump(compose(demo_values()))).validate()


def test_a_key_that_the_specification_does_not_know_would_be_found() -> None:
    bad = compose(demo_values())
    bad["services"]["receiver"]["read_onyl"] = True
    with pytest.raises(ValueError, match="read_onyl"):
        compose_spec.PyCompose.from_yaml(yaml.safe_dump(bad))


@pytest.mark.parametrize("name", re.findall(r"\$\{(\w+):\?", (FOLDER / "compose.yaml").read_text()))
def test_nothing_starts_without_the_values_that_it_must_be_given(name: str) -> None:
    values = demo_values()
    del values[name]
    with pytest.raises(KeyError, match=name):
        compose(values)


def test_every_value_of_the_example_is_used() -> None:
    used = {match[1] for match in _VARIABLE.finditer((FOLDER / "compose.yaml").read_text())}
    assert set(demo_values()) == used


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_mounted_is_there(service: str) -> None:
    volumes = compose(demo_values())["volumes"]
    for source, *_ in mounts(service):
        assert (FOLDER / source).exists() if source[0] == "." else source in volumes


@pytest.mark.parametrize("service", SERVICES)
def test_no_root_file_system_is_written_to(service: str) -> None:
    assert SERVICES[service]["read_only"]


def test_only_the_hooks_are_open_to_others() -> None:
    ports = [(name, port) for name, each in SERVICES.items() for port in each.get("ports", [])]
    others = [(name, port) for name, port in ports if not port.startswith("127.0.0.1:")]
    assert others == [("proxy", "443:8443")]
    assert SERVICES["proxy"]["profiles"] == ["tls"]
    assert f"127.0.0.1:8080:{image_environment()['RECEIVER_PORT']}" in SERVICES["receiver"]["ports"]
    assert "ports" not in SERVICES["postgres"]


@pytest.mark.parametrize("service", SERVICES)
def test_nothing_fills_the_machine(service: str) -> None:
    limits = SERVICES[service]
    assert limits["mem_limit"]
    assert limits["pids_limit"]
    assert limits["logging"]["driver"] == "json-file"
    assert {"max-size", "max-file"} <= limits["logging"]["options"].keys()


def test_the_receiver_believes_the_proxy_and_nobody_else_of_its_network() -> None:
    network = ip_network(compose(demo_values())["networks"]["hooks"]["ipam"]["config"][0]["subnet"])
    places = {
        name: each["networks"]["hooks"]["ipv4_address"]
        for name, each in SERVICES.items()
        if "networks" in each
    }
    assert places.keys() == {"receiver", "proxy"}
    assert all(ip_address(place) in network for place in places.values())
    assert json.loads(SERVICES["receiver"]["environment"]["RECEIVER_TRUSTED_PROXIES"]) == [places["proxy"]]
    port = image_environment()["RECEIVER_PORT"]
    assert f"server {places['receiver']}:{port};" in (FOLDER / "nginx/nginx.conf").read_text()


def test_the_proxy_is_given_the_files_that_it_reads() -> None:
    secrets = compose(demo_values())["secrets"]
    assert set(SERVICES["proxy"]["secrets"]) == set(secrets)
    read = re.findall(r"/run/secrets/(\w+);", (FOLDER / "nginx/nginx.conf").read_text())
    assert sorted(read) == sorted(secrets)


def test_the_api_is_open_to_this_machine() -> None:
    port = image_environment()["RECEIVER_API__PORT"]
    assert f"127.0.0.1:{port}:{port}" in SERVICES["receiver"]["ports"]


def test_who_is_waited_for_can_say_that_it_is_well() -> None:
    has_check = any(step.word == "HEALTHCHECK" for step in steps())
    for each in SERVICES.values():
        needed = each.get("depends_on", {})
        for name in needed if isinstance(needed, dict) else ():
            assert "healthcheck" in SERVICES[name] or ("build" in SERVICES[name] and has_check)


def test_it_waits_for_a_stop_as_long_as_one_may_take() -> None:
    # Requests, workers and the ledger have stop_deadline_s each.
    assert int(SERVICES["receiver"]["stop_grace_period"].removesuffix("s")) > 3 * 15


def test_what_handles_no_signals_is_not_process_1() -> None:
    programs = {name: each["entrypoint"][0] for name, each in SERVICES.items() if "entrypoint" in each}
    assert programs == {"proxy": "nginx", "traffic": "python"}
    assert SERVICES["traffic"]["init"]


@pytest.mark.parametrize("service", ["receiver", "traffic"])
def test_every_setting_is_one(service: str) -> None:
    assert unknown_settings(SERVICES[service]["environment"]) == set()


def test_the_receiver_starts_with_what_it_is_given(postgres: str, tmp_path: Path) -> None:
    given = image_environment() | SERVICES["receiver"]["environment"]
    assert given["RECEIVER_STORE"].startswith("postgresql://receiver@postgres:")
    with started(given | {"RECEIVER_STORE": fresh_database(postgres)}, tmp_path, "serve") as receiver:
        assert httpx2.get(f"{receiver.api}/metrics").status_code == 200
        assert httpx2.get(f"{receiver.hooks}/metrics").status_code == 404
    assert list(tmp_path.iterdir()) == []


@contextmanager
def emulated(port: int) -> Iterator[None]:
    """The emulator as it is started there, on this port."""
    command = [str(port) if each == "8090" else each for each in SERVICES["emulator"]["command"]]
    command[command.index("0.0.0.0")] = "127.0.0.1"
    process = subprocess.Popen([*RECEIVER, *command], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        check = SERVICES["emulator"]["healthcheck"]["test"]
        assert check[:3] == ["CMD", "python", "-c"]
        subprocess.run([sys.executable, "-c", check[3].replace("8090", str(port))], check=True)
        yield
    finally:
        process.terminate()
        process.communicate(timeout=20)


def test_with_the_emulator_there_is_something_to_see_at_once(postgres: str, tmp_path: Path) -> None:
    scheduler, crm, port = free_port(), free_port(), free_port()
    settings = image_environment() | SERVICES["traffic"]["environment"]
    settings |= {
        "RECEIVER_STORE": fresh_database(postgres),
        "RECEIVER_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "RECEIVER_ACCOUNTS__MAIN__BASE_URL": f"http://127.0.0.1:{scheduler}/api/ver1.0",
        "RECEIVER_DELIVERY__ALLOWED_NETWORKS": '["127.0.0.0/8"]',
        "CRM_URL": f"http://127.0.0.1:{crm}/outcomes",
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
    }
    with emulated(scheduler), started(settings, tmp_path, "serve", port=port) as receiver:
        traffic = subprocess.Popen([sys.executable, FOLDER / "docker/traffic.py"], env=settings)
        try:
            until(lambda: has_hooks(httpx2.get(f"{receiver.api}/metrics").text))
            assert httpx2.post(settings["CRM_URL"], content=b"{}").status_code in (204, 503)
        finally:
            traffic.kill()
            traffic.wait(20)


def has_hooks(scrape: str) -> bool:
    return bool(re.search(r'intake_requests_total\{event="before",outcome="recorded"\} [1-9]', scrape))


def until(is_so: Callable[[], bool], patience_s: float = 60.0) -> None:
    deadline = time.monotonic() + patience_s
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.25)


def test_grafana_finds_the_dashboards_and_prometheus() -> None:
    inside = {target: source for source, target, *_ in mounts("grafana")}
    (boards,) = documents("grafana/provisioning/dashboards/receiver.yml")
    (provider,) = boards["providers"]
    assert inside[provider["options"]["path"]] == "../dashboards"
    home = Path(SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert (
        json.loads((FOLDER / inside[str(home.parent)] / home.name).read_text())["uid"] == "receiver-overview"
    )
    (sources,) = documents("grafana/provisioning/datasources/prometheus.yml")
    (source,) = sources["datasources"]
    assert (source["uid"], source["type"], source["isDefault"]) == ("prometheus", "prometheus", True)
    assert urlsplit(source["url"]).netloc == "prometheus:9090"


def test_prometheus_asks_and_tells_those_that_are_there() -> None:
    (settings,) = documents("prometheus/prometheus.yml")
    (scrape,) = settings["scrape_configs"]
    assert scrape["job_name"] == "receiver"
    targets = [each for some in scrape["static_configs"] for each in some["targets"]]
    targets += [
        each
        for some in settings["alerting"]["alertmanagers"]
        for them in some["static_configs"]
        for each in them["targets"]
    ]
    assert {each.partition(":")[0] for each in targets} <= set(SERVICES)
    assert targets[0] == f"receiver:{image_environment()['RECEIVER_API__PORT']}"
    for rules in settings["rule_files"]:
        assert (FOLDER / "prometheus" / rules).is_file()
    (sources,) = documents("grafana/provisioning/datasources/prometheus.yml")
    interval = sources["datasources"][0]["jsonData"]["timeInterval"]
    assert scrape.get("scrape_interval", settings["global"]["scrape_interval"]) == interval
