import configparser
import json
import re
import shlex
import shutil
import subprocess
import textwrap
from pathlib import Path

import pytest
import typer
import yaml

import maskwright
from maskwright.cli.main import app

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
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


def _require_whole(deployment, service):
    """Health where the server answers, a mount for each file, and time to finish."""
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    params = _parse(container["args"])
    assert params["port"] == container["ports"][0]["containerPort"]
    assert params["port"] == service["spec"]["ports"][0]["targetPort"]
    assert container["readinessProbe"]["httpGet"]["path"] == "/health/ready"
    probes = [container[name] for name in ("startupProbe", "livenessProbe")]
    assert [p["httpGet"]["path"] for p in probes] == ["/health/live"] * 2
    _require_restricted(container["securityContext"])
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert str(params["token_file"]).startswith(mounts["secrets"])
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert volumes.keys() == mounts.keys()
    assert volumes["state"]["emptyDir"] == {}
    assert _stops_in_time(params, pod["terminationGracePeriodSeconds"])
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"] == labels
    assert service["spec"]["selector"] == labels
    return container, params


def _require_restricted(context):
    """The profile `restricted` of Kubernetes' pod security standards, with a numeric user."""
    assert context["runAsNonRoot"]
    assert context["allowPrivilegeEscalation"] is False
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    users = re.findall(r"^USER (\S+)$", (ROOT / "Containerfile").read_text(), re.MULTILINE)
    assert [int(user) > 0 for user in users] == [True]


def test_kubernetes_asks_for_health_where_the_server_answers_and_lets_it_finish():
    deployment, service = yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())
    _, params = _require_whole(deployment, service)
    assert str(params["store"]) == "/state/rows.sqlite"


class Chart:
    """The part of Helm's templates that the chart uses: values, lists, conditions, sums.

    What else stands between braces is an error, so that the chart stays within it.
    """

    def __init__(self, **values):
        self.values = {**yaml.safe_load((DEPLOY / "helm/values.yaml").read_text()), **values}

    def render(self, name):
        lines, kept = [], [True]
        for line in (DEPLOY / f"helm/templates/{name}").read_text().splitlines():
            word = re.fullmatch(r" *\{\{- (if|else|end) ?(\S*) *\}\}", line)
            if word is None:
                lines += [re.sub(r"\{\{-? (.*?) \}\}", self._fill, line)] if all(kept) else []
            elif word[1] == "if":
                kept.append(bool(self._find(word[2])))
            elif word[1] == "else":
                kept.append(not kept.pop())
            else:
                kept.pop()
        assert kept == [True]
        return yaml.safe_load("\n".join(lines))

    def _find(self, name):
        if name == ".Release.Name":
            return "masks"
        if name.isdecimal():
            return int(name)
        assert name.startswith(".Values."), name
        return self.values[name.removeprefix(".Values.")]

    def _fill(self, match):
        words = match[1].split()
        if words[0] == "add":
            return str(sum(map(self._find, words[1:])))
        if words[0] == "toYaml":
            *found, pipe, verb, depth = words[1:]
            assert (pipe, verb) == ("|", "nindent"), words
            value = self._find(found[-1].rstrip(")"))
            if len(found) == 2:
                assert found[0] == "(toStrings", words
                value = [str(each) for each in value]
            text = yaml.safe_dump(value, default_flow_style=False)
            return "\n" + textwrap.indent(text.rstrip(), int(depth) * " ")
        value = self._find(words[0])
        assert words[1:] in ([], ["|", "quote"]), words
        return json.dumps(value) if words[1:] else str(value)


@pytest.mark.parametrize("store", ["", "rows"])
def test_the_helm_chart_is_a_server_as_that_of_kubernetes(store):
    chart = Chart(
        models=["a=/models/a/bundle", "b=/models/b/bundle"],
        storeSecret=store,
        options=["--threads", 2] if store else [],
        graceSeconds=60,
    )
    deployment, service = chart.render("deployment.yaml"), chart.render("service.yaml")
    container, params = _require_whole(deployment, service)
    assert params["models"] == ["a=/models/a/bundle", "b=/models/b/bundle"]
    assert params["grace"] == 60
    assert str(params["store"]) == ("$(STORE)" if store else "/state/rows.sqlite")
    assert params["threads"] == (2 if store else None)
    names = [e["valueFrom"]["secretKeyRef"] for e in container.get("env", [])]
    assert names == ([{"name": "rows", "key": "url"}] if store else [])
    assert container["securityContext"]["readOnlyRootFilesystem"]
    budget = chart.render("budget.yaml")
    assert budget["spec"]["selector"]["matchLabels"] == service["spec"]["selector"]


def test_helm_renders_the_chart_as_it_is_read_here():
    if shutil.which("helm") is None:
        pytest.skip("no helm here")
    command = ["helm", "template", "masks", DEPLOY / "helm"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = {document["kind"]: document for document in yaml.safe_load_all(done.stdout)}
    assert found["Deployment"] == Chart().render("deployment.yaml")
    assert found["Service"] == Chart().render("service.yaml")
    assert found["PodDisruptionBudget"] == Chart().render("budget.yaml")


def test_the_chart_names_the_version_of_the_program():
    chart = yaml.safe_load((DEPLOY / "helm/Chart.yaml").read_text())
    assert chart["appVersion"] == maskwright.__version__


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
