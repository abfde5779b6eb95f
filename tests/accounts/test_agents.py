"""What is said of a browser: our own words, whatever it calls itself."""

import pytest

from accounts.agents import in_words

pytestmark = pytest.mark.sqlite_only
_WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"
_WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
        (f"{_WINDOWS} {_WEBKIT} Chrome/140.0.0.0 Safari/537.36", "Chrome on Windows"),
        (f"{_WINDOWS} {_WEBKIT} Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0", "Edge on Windows"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.0 Safari/605.1.15",
         "Safari on macOS"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 CriOS/140.0 Mobile Safari/604.1",
         "Chrome on iOS"),
        (f"Mozilla/5.0 (Linux; Android 15) {_WEBKIT} SamsungBrowser/28.0 Chrome/130.0 Mobile Safari/537.36",
         "Samsung Internet on Android"),
        ("curl/8.5.0", "curl"),
        ("Mozilla/5.0 (Windows NT 10.0)", "Windows"),
        ("<script>alert(1)</script>", ""),
        ("", ""),
        ("x" * 500 + "Firefox", ""),
    ],
)  # fmt: skip
def test_a_browser_is_named_as_people_know_it(user_agent, words):
    assert in_words(user_agent) == words
