"""Sets the environment that the suite runs in, before Django reads it. Loaded by pytest as its first plugin."""

import os
import tempfile

os.environ.update(KEYTREE_ENV="demo", KEYTREE_DATA_DIR=tempfile.mkdtemp(prefix="keytree-tests-"))
for name in ("KEYTREE_PUBLIC_URL", "KEYTREE_TRUSTED_PROXIES", "KEYTREE_SECRET_KEY", "KEYTREE_KEY_RING", "KEYTREE_DEBUG"):
    os.environ.pop(name, None)
os.environ["DATABASE_URL"] = os.environ.get("TEST_DATABASE_URL", "")
