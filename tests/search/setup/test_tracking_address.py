"""An address that cannot be one is a fault of the config, found without asking anybody."""

import pytest

from search.config import ConfigError, Experiment
from search.setup.experiment_setup import prepare
from search.setup.tracking_address import check_tracking
from spaces.errors import BAD_INPUT, UserError

POSSIBLE = (
    None,
    "databricks",
    "databricks://profile",
    "http://localhost:5000",
    "http://localhost:",
    "https://me:secret@mlflow.example.org./path?x=a:b",
    "http://[::1]:5000",
    "http://bücher.example",
    "http://under_score:80",
    "sqlite:////tmp/x.db",
    "postgresql:///db?host=/tmp",
    "postgresql+psycopg://me:a#b/c?d@host:5432/db",
    "postgresql://host/db?options=a:b@c",
    "mssql+pyodbc:///?odbc_connect=a:b",
    "file:///tmp/x",
)
IMPOSSIBLE = {
    "http://localhost:99999": "names port 99999; ports are the numbers 1 to 65535",
    "http://localhost:0": "names port 0",
    "http://localhost:five": "names port five",
    "http://localhost:\u0665": "names port \u0665",
    "http://localhost:-1": "names port -1",
    "http://[::1]:99999": "names port 99999",
    "http://": "names no host",
    "https:///path": "names no host",
    "http:localhost": "names no host",
    "http://:5000": "names no host",
    "http://me:secret@:5000": "names no host",
    "http://my host": "a host that cannot be one",
    "http://a..b": "a host that cannot be one",
    "http://[::1": "not a web address",
    "http://me:secret#x@localhost": "write %23 for #",
    "http://me:secret/x@localhost": "write %23 for #",
    "postgresql://me:secret@host:x/db": "names port x",
    "mysql+pymysql://host:70000/db": "names port 70000",
}


@pytest.mark.parametrize("address", POSSIBLE)
def test_a_possible_address_passes(address):
    check_tracking(address)


@pytest.mark.parametrize("address", IMPOSSIBLE)
def test_an_empty_host_or_a_bad_port_is_named(address):
    with pytest.raises(UserError, match=IMPOSSIBLE[address]) as caught:
        check_tracking(address)
    error = caught.value
    assert (error.key, error.code) == ("tracking.uri", BAD_INPUT)
    assert "secret" not in error.message + error.hint
    assert "start the server" not in error.hint


@pytest.mark.parametrize("address", ["http://localhost:99999", "http://"])
def test_it_is_a_fault_of_the_config_with_its_place(tmp_path, address):
    path = tmp_path / "c.yaml"
    path.write_text(f"data: digits\nmodel: {{backbone: cifar_resnet8}}\ntracking:\n  uri: {address}\n")
    with pytest.raises(ConfigError) as caught:
        prepare(Experiment.load(path))
    (problem,) = caught.value.problems
    assert (problem.line, problem.column, problem.key) == (4, 8, "tracking.uri")
    assert caught.value.code == BAD_INPUT


@pytest.mark.parametrize(
    ("address", "hint"),
    [
        ("http//localhost:5000", "did you mean `http://localhost:5000`?"),
        ("https/mlflow.example.org", "did you mean `https://mlflow.example.org`?"),
        ("http;//localhost", "did you mean `http://localhost`?"),
        ("http//me:secret@localhost:5000", "did you mean `http://"),
        ("http//localhost:99999", "write for example http://localhost:5000"),
        ("htp://localhost", "did you mean `http:`?"),
    ],
)
def test_a_missing_colon_is_put_where_it_belongs(address, hint):
    with pytest.raises(UserError) as caught:
        check_tracking(address)
    assert hint in caught.value.hint
    assert "secret" not in caught.value.message + caught.value.hint
