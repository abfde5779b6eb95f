"""What tests of pages share."""

import pytest

from keys.models import PlatformKey
from tests.trees import make_platform_key


@pytest.fixture
def noors(cast) -> PlatformKey:
    """An IBM Cloud API key of Noor's."""
    return make_platform_key(cast["noor"], "Build server", description="Builds", last_used_from="")
