"""What a process that answers requests loads, and when."""

import sys
from pathlib import Path

import pytest

from tests.console import programs

_CODE = """
import sys, warnings
from wsgiref.util import setup_testing_defaults
from console.wsgi import application

def loaded():
    return [name for name in ("keys.api.application", "keys.iam.application", "xml") if name in sys.modules]

def status(path, script_name=""):
    told, environ = [], {"PATH_INFO": path, "SCRIPT_NAME": script_name}
    setup_testing_defaults(environ)
    list(application(environ, lambda line, headers: told.append(line)))
    return told[0].split()[0], loaded()

print(status("/healthz"), status("/v1/apikeys"), status("/rest/v3.1/SoftLayer_Account"), sep="\\n")
print(*(status("/login", place)[0] for place in ("/v1", "/v2", "/identity", "/rest", "/xmlrpc")))
"""


@pytest.mark.sqlite_only
def test_interfaces_are_loaded_with_the_first_call_of_them(tmp_path: Path) -> None:
    (tmp_path / "static").mkdir()
    environment = {"KEYTREE_ENV": "demo", "KEYTREE_DATA_DIR": str(tmp_path), "KEYTREE_LOG_LEVEL": "ERROR"}
    done = programs.run(sys.executable, "-c", _CODE, **environment)
    assert done.stdout.splitlines() == [
        "('200', [])",
        "('401', ['keys.iam.application'])",
        "('401', ['keys.api.application', 'keys.iam.application', 'xml'])",
        "404 404 404 404 405",  # and no page, where a part of the address is the script name
    ], done.stderr
