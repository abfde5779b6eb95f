"""What a browser calls itself, in the few words that people know it by. No model, no request.

The text that browsers send is a stranger's, long, and made to be mistaken for others. Only our own words leave here, so
that it is neither stored nor shown.
"""

from functools import lru_cache

#: The first that is found in the text counts: each names those that it wants to pass for as well.
_BROWSERS = (
    ("Edg", "Edge"), ("OPR/", "Opera"), ("SamsungBrowser", "Samsung Internet"), ("FxiOS", "Firefox"),
    ("Firefox", "Firefox"), ("CriOS", "Chrome"), ("Chrome", "Chrome"), ("Safari", "Safari"), ("curl/", "curl"),
    ("python", "A Python program"),
)  # fmt: skip
_SYSTEMS = (
    ("Android", "Android"), ("iPhone", "iOS"), ("iPad", "iPadOS"), ("Windows", "Windows"), ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"), ("Linux", "Linux"),
)  # fmt: skip
#: Longer than any browser's; what stands further behind is not looked at.
_LONGEST = 500


@lru_cache(maxsize=256)
def in_words(user_agent: str) -> str:
    """Return a User-Agent header as ``Firefox on Linux``; as much of that as is known, empty when nothing is."""
    text = user_agent[:_LONGEST]
    browser, system = (next((words for sign, words in known if sign in text), "") for known in (_BROWSERS, _SYSTEMS))
    return f"{browser} on {system}" if browser and system else browser or system
