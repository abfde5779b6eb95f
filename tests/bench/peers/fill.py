"""Makes a thousand users, each with a token of each kind, in an empty database: ``python -m tests.bench.peers.fill``.

Writes the Authorization headers into the folder given as the argument, a file for each peer, a line for each user.
"""

import sys
from pathlib import Path

import django

django.setup()

from django.contrib.auth.models import User  # noqa: E402 - models exist only after Django has been set up
from django.core.management import call_command  # noqa: E402
from knox.models import get_token_model  # noqa: E402
from rest_framework.authtoken.models import Token  # noqa: E402
from rest_framework_api_key.models import APIKey  # noqa: E402

_COUNT = 1_000


def main(folder: Path) -> None:
    """Fill the database and write the files."""
    call_command("migrate", verbosity=0)
    users = User.objects.bulk_create([User(username=f"user{number}") for number in range(_COUNT)])
    headers = {
        "api-key": [f"Api-Key {APIKey.objects.create_key(name=user.username)[1]}" for user in users],
        "token": [f"Token {Token.objects.create(user=user).key}" for user in users],
        "knox": [f"Token {get_token_model().objects.create(user=user)[1]}" for user in users],
    }
    for name, lines in headers.items():
        (folder / name).write_text("".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
