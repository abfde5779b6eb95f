"""What a browser calls itself, in the few words that people know it by. No model, no request.

The text that a browser sends is long, made to pass for other browsers, and anybody can make it up. It is neither
stored nor shown: only words of our own are.
"""

from functools import lru_cache

#: The first one found in the text counts, because each browser also names those that it wants to pass for.
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
    """Return a User-Agent header in words, such as ``Firefox on Linux``; empty when neither part is known."""
    text = user_agent[:_LONGEST]
    browser, system = (next((words for sign, words in known if sign in text), "") for known in (_BROWSERS, _SYSTEMS))
    return f"{browser} on {system}" if browser and system else browser or system
