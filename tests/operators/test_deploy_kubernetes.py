"""config/kubernetes: valid, of one piece, and with what it gives them two receivers start on one database."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from copy import deepcopy
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx2
import kubernetes_validate
import pytest

from receiver.errors import SettingsError
from receiver.settings.settings import load_settings
from tests.e2e.processes import RECEIVER
from tests.operators.image import TOP, steps
from tests.operators.started import documents, image_environment, started, unknown_settings
from tests.postgres import fresh_database

VERSION = "1.34"
"""The oldest that the manifests are for: preStop's `sleep` is no longer a feature in the making there."""

FOLDER = TOP / "config/kubernetes"
BASE = ("receiver.yaml", "networkpolicy.yaml")
FILES = (*BASE, "secret.example.yaml", "upgrade.yaml")
ROLES = "roles.yaml"
"""Stands in place of receiver.yaml, and repeats parts of it."""
RESOURCES: list[dict[str, Any]] = [each for file in FILES for each in documents(f"kubernetes/{file}")]
OF_ROLES: list[dict[str, Any]] = documents(f"kubernetes/{ROLES}")
PODS = [each["spec"]["template"] for each in RESOURCES if each["kind"] in ("Deployment", "Job")]


def named(
    kind: str, name: str = "receiver", resources: Sequence[dict[str, Any]] = RESOURCES
) -> dict[str, Any]:
    (found,) = [each for each in resources if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


def container(pod: dict[str, Any]) -> dict[str, Any]:
    (only,) = pod["spec"]["containers"]
    return dict(only)


def settings(pod: dict[str, Any]) -> dict[str, str]:
    """The variables of the image, then those that the manifests give, in the order in which they win."""
    given = image_environment()
    for source in container(pod)["envFrom"]:
        if "configMapRef" in source:
            given |= named("ConfigMap", source["configMapRef"]["name"])["data"]
        else:
            given |= named("Secret", source["secretRef"]["name"])["stringData"]
    return given


SERVE, UPGRADE = PODS
SERVICES = {"receiver": "hooks", "receiver-api": "api", "receiver-pods": "api"}
"""Service → the port of the pods that it leads to."""


@pytest.mark.parametrize(
    "resource", [*RESOURCES, *OF_ROLES], ids=lambda each: f"{each['kind']} {each['metadata']['name']}"
)
def test_it_is_what_kubernetes_allows(resource: dict[str, Any]) -> None:
    kubernetes_validate.validate(resource, VERSION, strict=True)


def test_a_field_that_kubernetes_does_not_know_would_be_found() -> None:
    bad = named("Deployment") | {"spec": named("Deployment")["spec"] | {"replica": 3}}
    with pytest.raises(kubernetes_validate.ValidationError, match="replica"):
        kubernetes_validate.validate(bad, VERSION, strict=True)


def test_all_that_selects_pods_selects_those_that_serve_and_no_others() -> None:
    selectors = [named("Service", name)["spec"]["selector"] for name in SERVICES]
    selectors += [
        named(kind)["spec"]["selector"]["matchLabels"] for kind in ("Deployment", "PodDisruptionBudget")
    ]
    selectors += [each["labelSelector"]["matchLabels"] for each in SERVE["spec"]["topologySpreadConstraints"]]
    for selector in selectors:
        assert selector.items() <= SERVE["metadata"]["labels"].items()
        assert not selector.items() <= UPGRADE["metadata"]["labels"].items()


ROLE_PODS = {
    role: named("Deployment", f"receiver-{role}", OF_ROLES)["spec"]["template"] for role in ("intake", "work")
}


def test_roles_have_the_same_services_and_settings() -> None:
    for kind, name in (("ConfigMap", "receiver"), *(("Service", name) for name in SERVICES)):
        assert named(kind, name, OF_ROLES) == named(kind, name)


@pytest.mark.parametrize("role", ROLE_PODS)
def test_a_pod_of_a_role_is_one_that_does_everything_but_for_its_part(role: str) -> None:
    """Its role, its labels, and the ports that it listens on."""
    pod, label = ROLE_PODS[role], {"receiver.example/role": role}
    spec, whole = deepcopy(pod["spec"]), deepcopy(SERVE["spec"])
    deployment = named("Deployment", f"receiver-{role}", OF_ROLES)["spec"]
    budget = named("PodDisruptionBudget", f"receiver-{role}", OF_ROLES)["spec"]
    spread = [each.pop("labelSelector") for each in spec["topologySpreadConstraints"]]
    for selector in (deployment["selector"], budget["selector"], *spread):
        assert label.items() <= selector["matchLabels"].items() <= pod["metadata"]["labels"].items()
    for each in whole["topologySpreadConstraints"]:
        del each["labelSelector"]
    (mine,), (whole_one,) = spec["containers"], whole["containers"]
    assert mine.pop("args") == [*whole_one.pop("args"), "--role", role]
    ports = {port["name"] for port in mine.pop("ports")}
    assert ports == ({"hooks", "api"} if role == "intake" else {"api"})
    del whole_one["ports"]
    assert spec == whole


def test_services_lead_to_the_role_that_serves_them() -> None:
    leads = {"receiver": {"intake"}, "receiver-api": {"work"}, "receiver-pods": {"intake", "work"}}
    for name, roles in leads.items():
        selector = named("Service", name)["spec"]["selector"].items()
        assert {
            role for role, pod in ROLE_PODS.items() if selector <= pod["metadata"]["labels"].items()
        } == roles


def test_the_autoscaler_scales_what_takes_hooks_in_which_has_no_number_of_its_own() -> None:
    scaler = named("HorizontalPodAutoscaler", "receiver-intake", OF_ROLES)["spec"]
    scaled = named(scaler["scaleTargetRef"]["kind"], scaler["scaleTargetRef"]["name"], OF_ROLES)["spec"]
    assert "replicas" not in scaled, "each `kubectl apply` would undo what the autoscaler did"
    assert scaler["minReplicas"] >= 2
    (metric,) = scaler["metrics"]
    assert metric["resource"]["name"] in container(ROLE_PODS["intake"])["resources"]["requests"]


def test_each_pod_is_one_scrape_target() -> None:
    spec = named("Service", "receiver-pods")["spec"]
    assert spec["clusterIP"] == "None"
    assert spec["publishNotReadyAddresses"]
    # Prometheus asks for the addresses only, so the port is the pods' own.
    port = settings(SERVE)["RECEIVER_API__PORT"]
    assert [str(each["port"]) for each in spec["ports"]] == [port]
    assert f"type: A, port: {port}}}" in (TOP / "config/kubernetes/receiver.yaml").read_text()


def test_pods_have_a_port_for_hooks_and_one_for_the_api() -> None:
    given = settings(SERVE)
    ports = {port["name"]: str(port["containerPort"]) for port in container(SERVE)["ports"]}
    assert ports == {"hooks": given["RECEIVER_PORT"], "api": given["RECEIVER_API__PORT"]}


def test_the_public_service_leads_to_hooks_only_and_the_others_to_the_api() -> None:
    services = [each for each in RESOURCES if each["kind"] == "Service"]
    leads = {
        each["metadata"]["name"]: [port["targetPort"] for port in each["spec"]["ports"]] for each in services
    }
    assert leads == {name: [port] for name, port in SERVICES.items()}


def test_hooks_are_let_in_from_everywhere_and_the_api_from_those_that_are_named() -> None:
    policy = named("NetworkPolicy")["spec"]
    assert policy["podSelector"]["matchLabels"].items() <= SERVE["metadata"]["labels"].items()
    assert policy["policyTypes"] == ["Ingress"]
    ports = {port["name"] for port in container(SERVE)["ports"]}
    rules = {rule["ports"][0]["port"]: rule.get("from") for rule in policy["ingress"]}
    assert rules.keys() == ports == {"hooks", "api"}
    assert rules["hooks"] is None
    assert len(rules["api"]) == 2
    assert all(len(each) == 1 and next(iter(each.values()))["matchLabels"] for each in rules["api"])


def test_the_base_has_all_but_what_is_yours_or_run_by_hand() -> None:
    (base,) = documents("kubernetes/kustomization.yaml")
    assert tuple(base["resources"]) == BASE
    assert {path.name for path in FOLDER.glob("*.yaml")} == {*FILES, ROLES, "kustomization.yaml"}
    built = [each for file in base["resources"] for each in documents(f"kubernetes/{file}")]
    names = [(each["kind"], each["metadata"]["name"]) for each in built]
    assert len(set(names)) == len(names)
    assert "Secret" not in {kind for kind, _ in names}


def test_what_pods_refer_to_is_there() -> None:
    there = {(each["kind"], each["metadata"]["name"]) for each in RESOURCES}
    kinds = {"configMapRef": "ConfigMap", "secretRef": "Secret"}
    for pod in PODS:
        for source in container(pod)["envFrom"]:
            ((kind, reference),) = source.items()
            assert (kinds[kind], reference["name"]) in there
        mounted = {mount["name"] for mount in container(pod)["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["spec"]["volumes"]}
    for service in (each for each in RESOURCES if each["kind"] == "Service"):
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= {
            port["name"] for port in container(SERVE)["ports"]
        }


@pytest.mark.parametrize("pod", PODS, ids=("serve", "upgrade"))
def test_it_runs_as_the_image_means_it_to(pod: dict[str, Any]) -> None:
    (user,) = [step.rest for step in steps() if step.word == "USER"]
    rules = pod["spec"]["securityContext"]
    assert f"{rules['runAsUser']}:{rules['runAsGroup']}" == user
    assert rules["runAsNonRoot"]
    assert container(pod)["image"] == f"receiver:{version('receiver')}"
    assert container(pod)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


@pytest.mark.parametrize("pod", PODS, ids=("serve", "upgrade"))
def test_every_setting_is_one(pod: dict[str, Any]) -> None:
    assert unknown_settings(settings(pod)) == set()


@pytest.mark.parametrize("pod", PODS, ids=("serve", "upgrade"))
def test_the_service_s_address_does_not_become_our_port(
    pod: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in settings(pod).items():
        monkeypatch.setenv(name, value)
    load_settings()
    # What Kubernetes sets for a Service called receiver, unless it is told not to.
    monkeypatch.setenv("RECEIVER_PORT", "tcp://10.96.0.7:80")
    with pytest.raises(SettingsError, match="port"):
        load_settings()
    assert pod["spec"]["enableServiceLinks"] is False


def test_it_waits_for_a_stop_as_long_as_one_may_take() -> None:
    pause = container(SERVE)["lifecycle"]["preStop"]["sleep"]["seconds"]
    # Requests, workers and the ledger have stop_deadline_s each.
    assert SERVE["spec"]["terminationGracePeriodSeconds"] > pause + 3 * 15


def probes() -> Iterator[tuple[str, dict[str, Any]]]:
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        yield name, container(SERVE)[name]


def test_two_start_at_once_on_an_empty_database_and_answer_the_probes(postgres: str, tmp_path: Path) -> None:
    given = settings(SERVE) | {"RECEIVER_STORE": fresh_database(postgres)}
    with ExitStack() as stack:
        receivers = [
            stack.enter_context(started(given, tmp_path, *container(SERVE)["args"]))
            for _ in range(named("Deployment")["spec"]["replicas"])
        ]
        assert len(receivers) == 2
        for receiver in receivers:
            for name, probe in probes():
                assert probe["httpGet"]["port"] == "api"
                assert httpx2.get(receiver.api + probe["httpGet"]["path"]).status_code == 200, name
            assert httpx2.get(f"{receiver.hooks}/healthz").status_code == 200


def test_one_of_each_role_starts_and_answers_the_probes(postgres: str, tmp_path: Path) -> None:
    given = settings(SERVE) | {"RECEIVER_STORE": fresh_database(postgres)}
    with ExitStack() as stack:
        for pod in ROLE_PODS.values():
            receiver = stack.enter_context(started(given, tmp_path, *container(pod)["args"]))
            for name, probe in probes():
                assert httpx2.get(receiver.api + probe["httpGet"]["path"]).status_code == 200, name


def test_the_upgrade_upgrades(postgres: str, tmp_path: Path) -> None:
    given = settings(UPGRADE) | {"RECEIVER_STORE": fresh_database(postgres)}
    command = [*RECEIVER, *container(UPGRADE)["args"]]
    done = subprocess.run(
        command, cwd=tmp_path, env=given, check=False, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, "Applied" in done.stdout) == (0, True), done.stderr


def test_the_example_s_secrets_are_plainly_none() -> None:
    secret = named("Secret")
    assert "data" not in secret, "stringData can be read: nobody takes what stands there for a secret"
    assert all("change-me" in secret["stringData"][name] for name in ("PGPASSWORD", "RECEIVER_HOOK_KEYS"))
