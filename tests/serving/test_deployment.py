import configparser
import shlex
from pathlib import Path

import typer
import yaml

from maskwright.cli.main import app

DEPLOY = Path(__file__).parents[2] / "deploy"
SERVE = typer.main.get_command(app).commands["serve"]


def _parse(words):
    """The options of a command line of `serve`; wrong ones raise."""
    assert words[0] == "serve"
    return SERVE.make_context("serve", [*words[1:]]).params


def _stops_in_time(params, seconds):
    return params["drain"] + params["grace"] < seconds


def test_compose_starts_a_public_server_with_tokens_and_lets_it_finish():
    service = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["maskwright"]
    params = _parse(service["command"])
    assert params["host"] == "0.0.0.0"
    volumes = [v.split(":")[1:] for v in service["volumes"]]
    assert [str(params["token_file"]), "ro"] in volumes
    assert [str(Path(params["store"]).parent)] in volumes
    assert _stops_in_time(params, int(service["stop_grace_period"].removesuffix("s")))


def test_kubernetes_asks_for_health_where_the_server_answers_and_lets_it_finish():
    deployment, service = yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    params = _parse(container["args"])
    assert params["port"] == container["ports"][0]["containerPort"]
    assert params["port"] == service["spec"]["ports"][0]["targetPort"]
    assert container["readinessProbe"]["httpGet"]["path"] == "/health/ready"
    assert container["livenessProbe"]["httpGet"]["path"] == "/health/live"
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert str(params["token_file"]).startswith(mounts["secrets"])
    assert str(Path(params["store"]).parent) == mounts["state"]
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert volumes.keys() == mounts.keys()
    assert volumes["state"]["emptyDir"] == {}
    assert _stops_in_time(params, pod["terminationGracePeriodSeconds"])


def test_the_systemd_unit_runs_a_command_that_parses():
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str
    unit.read_string((DEPLOY / "maskwright.service").read_text())
    command = shlex.split(unit["Service"]["ExecStart"])
    assert command[0].endswith("/maskwright")
    params = _parse(command[1:])
    state = f"/var/lib/{unit['Service']['StateDirectory']}"
    assert str(Path(params["store"]).parent) == state
    assert _stops_in_time(params, int(unit["Service"]["TimeoutStopSec"]))
