"""What stands in deploy/ against what it is for: the units, the image, the dashboard, and the names in all of them.

The gateways' files are run by test_gateways.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from support.service_client import running
from support.small_traffic import TEMPLATES, done, failed

from fingerprint.cli.main import cli
from fingerprint.service.http.config import Config
from fingerprint.service.serving.policy import GatewayPolicy

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
UNITS = sorted([*DEPLOY.glob("*.service"), *DEPLOY.glob("*.timer")])
HADOLINT = Path(sys.executable).with_name("hadolint")
PROGRAM = "/opt/fingerprint/bin/fingerprint"


def values(unit: Path, name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", unit.read_text(), re.MULTILINE)


def accepted(words: list[str]) -> None:
    """Let the command line read a command without running it; unknown commands and options are errors."""
    command: click.Command = cli
    while isinstance(command, click.Group):
        name, *words = words
        command = command.commands[name]
    context = click.Context(command)
    command.make_parser(context).parse_args(words)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze in PATH expected")
def test_units_are_sound(tmp_path: Path) -> None:
    for unit in UNITS:
        # verify looks for the programs, too
        (tmp_path / unit.name).write_text(unit.read_text().replace(PROGRAM, sys.executable))
    paths = [tmp_path / unit.name for unit in UNITS]
    found = subprocess.run(["systemd-analyze", "verify", *paths], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (0, "")


def test_units_start_commands_that_there_are() -> None:
    (served,) = values(DEPLOY / "fingerprint.service", "ExecStart")
    program, *words = shlex.split(served)
    assert program == PROGRAM
    accepted(words)
    (nightly,) = values(DEPLOY / "fingerprint-nightly.service", "ExecStart")
    shell, _, script = shlex.split(nightly)
    assert shell == "/bin/sh"
    execute, program, *words = shlex.split(script.replace("$(date -u -d yesterday +%%F)", "DAY"))
    assert (execute, program) == ("exec", PROGRAM)
    accepted(words)
    assert values(DEPLOY / "fingerprint-nightly.timer", "WantedBy") == ["timers.target"]


def test_units_find_the_files_that_the_instructions_install() -> None:
    told = (DEPLOY / "README.md").read_text()
    for unit in UNITS:
        for path in re.findall(r"/etc/fingerprint/([\w.]+)", unit.read_text()):
            assert (DEPLOY / path).is_file(), f"{unit.name} reads {path}"
            assert f"deploy/{path}" in told, f"README.md does not install {path}"
    GatewayPolicy.load(DEPLOY / "policy.toml")


def test_environment_variables_are_ones_that_are_read() -> None:
    read = {name for path in ROOT.glob("fingerprint/**/*.py") for name in names(path.read_text())}
    read |= {name for unit in UNITS for line in values(unit, "ExecStart") for name in names(line)}
    for path in (DEPLOY / "environment", DEPLOY / "compose.yaml", DEPLOY / "Dockerfile", *UNITS):
        assert names(path.read_text()) <= read, path.name


def names(text: str) -> set[str]:
    return set(re.findall(r"\bFINGERPRINT_[A-Z_]+\b", text))


def instructions(name: str) -> list[str]:
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    return re.findall(rf"^{name}\s+(.*)$", text, re.MULTILINE)


def test_the_image_is_made_of_what_is_here() -> None:
    for line in instructions("COPY"):
        if "--from=" not in line:
            for source in line.split()[:-1]:
                assert (ROOT / source).exists(), source
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (extras,) = re.findall(r"\"\.\[([\w,]+)\]\"", " ".join(instructions("RUN")))
    assert set(extras.split(",")) <= set(project["optional-dependencies"])
    (torch,) = re.findall(r"\"(torch[^\"]*)\"", " ".join(instructions("RUN")))
    assert torch in project["dependencies"]
    accepted(json.loads(instructions("CMD")[-1])[1:])
    config = Config("")
    assert instructions("EXPOSE") == [str(config.port)]
    (asked,) = re.findall(r"http://127\.0\.0\.1:(\d+)(/\w+)", " ".join(instructions("HEALTHCHECK")))
    assert asked == (str(config.port), "/livez")


def test_the_image_is_installed_from_what_is_copied_into_it(tmp_path: Path) -> None:
    for line in instructions("COPY"):
        if "--from=" not in line:
            for source in line.split()[:-1]:
                (tmp_path / source).symlink_to(ROOT / source)
    wheel = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        ".",
        "--no-deps",
        "--no-build-isolation",
        "-q",
        "-w",
        "out",
    ]
    built = subprocess.run(wheel, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    assert [path.suffix for path in (tmp_path / "out").iterdir()] == [".whl"]


def test_the_dockerfile_has_no_known_fault() -> None:
    found = subprocess.run(
        [HADOLINT, "--no-color", DEPLOY / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert (found.returncode, found.stdout) == (0, "")


def test_containers_have_what_they_need() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    volumes = {volume.split(":")[0] for s in compose["services"].values() for volume in s["volumes"]}
    assert volumes == set(compose["volumes"])
    service, nightly = compose["services"]["service"], compose["services"]["nightly"]
    assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
    assert service["ports"] == [f"127.0.0.1:{Config('').port}:{Config('').port}"]
    accepted(nightly["entrypoint"][1:])
    # what is not a volume cannot be written to
    written = {volume.split(":")[1] for volume in service["volumes"]}
    assert written == set(" ".join(instructions("VOLUME")).split())
    home = service["environment"]["FINGERPRINT_HOME"]
    assert any(home.startswith(f"{place}/") for place in written)
    assert instructions("ENV")[-1].count(home) == 1
    database = compose["services"]["database"]["environment"]
    assert service["environment"]["FINGERPRINT_DATABASE"] == (
        f"postgresql://{database['POSTGRES_USER']}:{database['POSTGRES_PASSWORD']}"
        f"@database/{database['POSTGRES_DB']}"
    )


def manifests() -> list[dict[str, Any]]:
    return [part for path in MANIFESTS for part in yaml.safe_load_all(path.read_text())]


def containers() -> list[dict[str, Any]]:
    found = []
    for part in manifests():
        pod = part["spec"].get("jobTemplate", part)["spec"].get("template", {}).get("spec", {})
        found += [*pod.get("initContainers", []), *pod.get("containers", [])]
    return found


def test_manifests_are_what_kubernetes_takes() -> None:
    command = [sys.executable, "-m", "kubernetes_validate", "--strict", *map(str, MANIFESTS)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr


def test_manifests_start_commands_that_there_are_and_are_closed() -> None:
    assert len(containers()) == 3
    for container in containers():
        program, *words = container["command"]
        if program == "/bin/sh":
            execute, program, *words = shlex.split(words[-1].replace("$(date -u -d yesterday +%F)", "DAY"))
            assert execute == "exec"
        assert program == "fingerprint"
        accepted(words)
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert {v["name"] for v in container["env"]} == {"FINGERPRINT_HOME", "FINGERPRINT_DATABASE"}
    ports = [p["containerPort"] for c in containers() for p in c.get("ports", [])]
    assert ports == [Config("").port]


def test_the_wheel_has_the_files_and_a_command_writes_them(tmp_path: Path) -> None:
    globs = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["data-files"]
    shipped = {path for patterns in globs.values() for pattern in patterns for path in ROOT.glob(pattern)}
    files = {path for path in DEPLOY.rglob("*") if path.is_file()} | set((ROOT / "data").glob("*.gz"))
    assert files - shipped == set()
    told = done("deploy-files", tmp_path / "out")
    for path in files:
        copy = tmp_path / "out" / path.relative_to(ROOT)
        assert copy.read_bytes() == path.read_bytes()
        assert str(copy) in told
    assert "one is there" in failed(2, "deploy-files", tmp_path / "out")


@pytest.fixture(scope="module")
def metrics(worked: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    """What a service exports that was asked for everything."""
    policy = tmp_path_factory.mktemp("policy") / "policy.toml"
    shutil.copy(DEPLOY / "policy.toml", policy)
    with running(worked, max_waiting=0, policy=str(policy)) as service:
        prompt = {"prompt": TEMPLATES[0].format("river market engine teacher window garden")}
        service.client.post("/v1/lookup", json=prompt)
        service.client.post("/v1/lookup", json={**prompt, "account_id": 1})
        service.client.post("/v1/envoy/authz/", content=b"?")
        service.client.post("/beta/litellm_basic_guardrail_api", json={})
        service.service.engine._large = 1
        service.client.post("/v1/lookup", json=prompt)
        text = service.client.get("/metrics").text
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


@pytest.fixture(scope="module")
def exported(metrics: list[Sample]) -> dict[str, set[str]]:
    """The labels of each metric."""
    found: dict[str, set[str]] = {}
    for sample in metrics:
        found.setdefault(sample.name, set()).update(sample.labels)
    return found


def test_the_dashboard_asks_for_metrics_that_there_are(exported: dict[str, set[str]]) -> None:
    dashboard = json.loads((DEPLOY / "grafana-dashboard.json").read_text())
    asked = set()
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            found = re.findall(r"\b((?:fingerprint|process)_\w+)\{([^}]*)\}", target["expr"])
            assert found, target["expr"]
            grouped = {
                label.strip()
                for by in re.findall(r"\bby \(([^)]*)\)", target["expr"])
                for label in by.split(",")
            }
            for name, selected in found:
                labels = set(re.findall(r"(\w+)(?:=~|!=|=)", selected)) | grouped
                assert name in exported, name
                assert labels <= exported[name] | {"job", "instance"}, (panel["title"], labels)
                asked.add(name)
    own = {name for name in exported if name.startswith("fingerprint_") and not name.endswith("_created")}
    untold = {name for name in own - asked if not name.endswith(("_bucket", "_sum", "_count"))}
    assert untold == {"fingerprint_labels_revision", "fingerprint_policy_info"}


def test_the_dashboard_means_routes_that_there_are(metrics: list[Sample]) -> None:
    routes = {sample.labels["route"] for sample in metrics if "route" in sample.labels}
    text = (DEPLOY / "grafana-dashboard.json").read_text()
    (patterns,) = set(re.findall(r'route=~\\"([^"]*)\\"', text))
    for pattern in patterns.split("|"):
        assert any(re.fullmatch(pattern, route) for route in routes), pattern


def test_the_dashboard_has_no_panel_on_another() -> None:
    dashboard = json.loads((DEPLOY / "grafana-dashboard.json").read_text())
    taken: dict[tuple[int, int], str] = {}
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        for cell in (
            (x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])
        ):
            assert cell not in taken, f"{panel['title']} lies on {taken[cell]}"
            taken[cell] = panel["title"]
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
