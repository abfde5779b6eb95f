"""The figures of docs/performance.md, measured on one database."""

import json
import statistics
import threading
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

import dj_database_url

from tests.bench import load
from tests.bench.child import Child, ChildFailed, environment
from tests.bench.data import Installation
from tests.bench.output import Figure, progress
from tests.bench.peers.environment import PEERS, NoPeers, Peers, prepared
from tests.bench.timing import Median, taking_turns

_MiB = 1024 * 1024
_KEYS = "/iam/apikeys"
_OLDEST_FIRST = "?sort=created"
#: The four orders of the API keys page.
_ORDERS = ("", _OLDEST_FIRST, "?sort=created_by", "?sort=-created_by")
#: Pages whose times are told without a goal: name, address, viewer.
_OTHER_PAGES = (
    ("API keys, searched for a name", f"{_KEYS}?q=garcía", "owner"),
    ("API keys, searched for nothing there is", f"{_KEYS}?q=xyzzy", "owner"),
    ("the same, from half the tree", f"{_KEYS}?q=xyzzy", "half"),
    ("Users", "/iam/users", "owner"),
    ("Users, searched for nothing there is", "/iam/users?q=xyzzy", "owner"),
    ("User hierarchy", "/iam/users?view=hierarchy", "owner"),
    ("the same, from half the tree", "/iam/users?view=hierarchy", "half"),
    ("Picture of the hierarchy", "/iam/users?view=picture", "owner"),
    ("the same, from half the tree", "/iam/users?view=picture", "half"),
    ("Activity", "/iam/activity", "owner"),
    ("the same, from half the tree", "/iam/activity", "half"),
    ("the same, from a hundredth", "/iam/activity", "hundredth"),
    ("the same, from a leaf", "/iam/activity", "leaf"),
)


@dataclass(frozen=True)
class Effort:
    """How often and how long is measured."""

    rounds: int
    load_rounds: int
    load_seconds: int


THOROUGH = Effort(rounds=25, load_rounds=7, load_seconds=3)
QUICK = Effort(rounds=5, load_rounds=2, load_seconds=1)


@dataclass
class Measurement:
    """The measurement of one database: its installations by size, the smallest for verification alone."""

    vendor: str
    folder: Path
    server: str
    thousand: Installation
    sizes: Sequence[Installation]
    effort: Effort
    _stack: ExitStack = field(default_factory=ExitStack)

    def figures(self) -> Iterator[Figure]:
        """Measure everything, and yield the figures."""
        with self._stack:
            self._keytree = {each.members: self._child("tests.bench.keytree", each.environment) for each in self.sizes}
            groups = (
                self._verification_by_load, self._verification_inside, self._pages, self._queries, self._ancestors,
                self._memory, self._other_pages, self._export, self._branch, self._move,
            )  # fmt: skip
            for group in groups:
                name = group.__name__.strip("_").replace("_", " ")
                progress(f"{self.vendor}: {name} ...")
                try:
                    yield from group()
                except (ChildFailed, load.LoadFailed) as error:
                    yield Figure(name, "", None, note=str(error))

    def _child(self, module: str, variables: Mapping[str, str]) -> Child:
        return self._stack.enter_context(closing(Child(module, variables)))

    def _goal(self, sqlite: str, postgresql: str) -> str:
        return sqlite if self.vendor == "sqlite" else postgresql

    def _server_time(self, median: Median) -> float:
        """The time a page takes of the server: SQLite's is the process's own, PostgreSQL works in another one."""
        return median.cpu if self.vendor == "sqlite" else median.elapsed

    @property
    def _small(self) -> Installation:
        return self.sizes[0]

    @property
    def _large(self) -> Installation | None:
        return self.sizes[-1] if len(self.sizes) > 1 else None

    # --- Verification -------------------------------------------------------------------------------------------------

    def _authorizations(self, installation: Installation) -> Path:
        """Return the file with Authorization headers of the installation's keys, written anew."""
        path = Path(installation.environment["KEYTREE_DATA_DIR"]) / "authorizations"
        with closing(Child("tests.bench.keytree", installation.environment)) as child:
            child("write_authorizations", path=str(path), count=1_000)
        return path

    def _verification_by_load(self) -> Iterator[Figure]:
        try:
            peers: Peers | str = prepared(self.folder, self.server)
        except NoPeers as error:
            peers = str(error)
        measured = [self.thousand, *([self._large] if self._large else [])]
        files = {each.members: self._authorizations(each) for each in measured}
        few, many = self.thousand.members, measured[-1].members
        with ExitStack() as servers:
            urls = {
                f"keytree {each.members}": (
                    servers.enter_context(_serving_keytree(each.environment)).url + "/verify",
                    files[each.members],
                )
                for each in measured
            }
            empty = servers.enter_context(load.serving("tests.bench.empty_project.wsgi", _EMPTY))
            urls["empty"] = (f"{empty.url}/verify", files[few])
            roof = servers.enter_context(load.serving("tests.bench.empty_project.roof", _EMPTY))
            urls["roof"] = (f"{roof.url}/verify", files[few])
            if isinstance(peers, Peers):
                server = servers.enter_context(
                    load.serving("tests.bench.peers.wsgi", peers.environment, python=peers.python)
                )
                urls |= {name: (f"{server.url}/{name}", peers.folder / name) for name in PEERS}
            rates = self._rates(urls)
        keytree = rates[f"keytree {few}"]
        yield Figure(
            "verification, requests a second, to an empty Django view", self._goal("≥ 1.15", "≥ 0.70"),
            keytree / rates["empty"], note=f"{keytree:,.0f} to {rates['empty']:,.0f}; {load.TOOL}",
        )  # fmt: skip
        yield Figure(
            "… of an answer without any work, which no verification can pass", "", rates["roof"] / rates["empty"],
            note=f"{rates['roof']:,.0f} to {rates['empty']:,.0f}",
        )  # fmt: skip
        goals = {"api-key": ("≥ 4", "≥ 3.2"), "knox": ("≥ 5.5", "≥ 5"), "token": ("≥ 4.5", "≥ 4")}
        for name, title in PEERS.items():
            rate = rates.get(name)
            note = f"{keytree:,.0f} to {rate:,.0f}" if rate else str(peers)
            yield Figure(f"… to {title}", self._goal(*goals[name]), rate and keytree / rate, note=note)
        if many != few:
            yield Figure(
                f"… with {measured[-1].facts['keys']:,} keys to {self.thousand.facts['keys']:,}", "≥ 0.95",
                rates[f"keytree {many}"] / keytree, note=f"{rates[f'keytree {many}']:,.0f} to {keytree:,.0f}",
            )  # fmt: skip

    def _rates(self, urls: Mapping[str, tuple[str, Path]]) -> dict[str, float]:
        """Put load on each address in turn and return the median rates."""
        names, rates = list(urls), {name: [] for name in urls}
        for number in range(self.effort.load_rounds + 1):
            for name in names[number % len(names) :] + names[: number % len(names)]:
                # A round before the first warms up.
                rate = load.requests_per_second(*urls[name], seconds=self.effort.load_seconds if number else 1)
                rates[name] += [rate] if number else []
        return {name: statistics.median(found) for name, found in rates.items()}

    def _verification_inside(self) -> Iterator[Figure]:
        empty = self._child("tests.bench.empty_project.wsgi", _EMPTY)
        children = {"empty": lambda **times: empty("answer", **times)}
        databases = []
        for each in [self.thousand, *([self._large] if self._large else [])]:
            child, path = self._child("tests.bench.keytree", each.environment), str(self._authorizations(each))
            children[each.size] = lambda child=child, path=path, **times: child("verify", authorizations=path, **times)
            databases.append((child, child("database_process")))

        def measured() -> dict[str, Median]:
            candidates = {name: lambda ask=ask: ask(times=3, block=200) for name, ask in children.items()}
            return taking_turns(candidates, rounds=self.effort.rounds)

        medians = measured()
        keytree, base = medians[self.thousand.size], medians["empty"]
        yield Figure(
            "verification, CPU in the worker, to an empty Django view", self._goal("≤ 0.75", "≤ 1.2"),
            keytree.cpu / base.cpu, note=f"{keytree.cpu * 1e6:.0f} µs to {base.cpu * 1e6:.0f} µs",
        )  # fmt: skip
        if self._large:
            large = medians[self._large.size]
            yield Figure(
                f"… with {self._large.facts['keys']:,} keys to {self.thousand.facts['keys']:,}", "",
                large.cpu / keytree.cpu, note=f"{large.cpu * 1e6:.0f} µs to {keytree.cpu * 1e6:.0f} µs",
            )  # fmt: skip
        # As on a machine that is busy: here nobody wakes up a processor that is idle, which costs who calls PostgreSQL
        # more than the question.
        empty.settle()
        for child, database in databases:
            child.settle(database)
        medians = measured()
        keytree, base = medians[self.thousand.size], medians["empty"]
        yield Figure(
            "… with its database on the same processor", "", keytree.cpu / base.cpu,
            note=f"{keytree.cpu * 1e6:.0f} µs to {base.cpu * 1e6:.0f} µs",
        )  # fmt: skip

    # --- Lists --------------------------------------------------------------------------------------------------------

    def _pages(self) -> Iterator[Figure]:
        candidates: dict[str, Callable[[], Sequence[Sequence[float]]]] = {}
        slowest = {}
        for each in self.sizes:
            keytree = self._keytree[each.members]
            for name in ("owner", "leaf", "half"):
                candidates[f"{name} {each.members}"] = _page(keytree, each.facts["viewers"][name], _KEYS)
            slowest[each.members] = self._slowest(each)
            for kind, (member, address, _) in slowest[each.members].items():
                candidates[f"{kind} {each.members}"] = _page(keytree, member, address)
            admin = self._child(
                "tests.bench.admin_project.wsgi",
                {
                    **each.environment,
                    "DJANGO_SETTINGS_MODULE": "tests.bench.admin_project.settings",
                    "BENCH_ACCOUNT": str(each.facts["account"]),
                },
            )
            owner = each.facts["viewers"]["owner"]
            candidates[f"admin {each.members}"] = lambda admin=admin, owner=owner: admin("change_list", member=owner)
        medians = {
            name: self._server_time(median)
            for name, median in taking_turns(candidates, rounds=self.effort.rounds).items()
        }
        for each, limit in zip(self.sizes, (0.25, 0.05), strict=False):
            keytree_time, admin_time = medians[f"owner {each.members}"], medians[f"admin {each.members}"]
            yield Figure(
                f"API keys page to Django admin's change list, {each.size}", f"≤ {limit}", keytree_time / admin_time,
                measured=f"{keytree_time / admin_time:.3f}", note=_milliseconds(keytree_time, admin_time),
            )  # fmt: skip
        if self._large:
            limits = {"owner": 1.3, "leaf": 1.3, "half": 1.3, **dict.fromkeys(slowest[self._large.members], 2)}
            for name, limit in limits.items():
                large, small = (medians[f"{name} {each.members}"] for each in (self._large, self._small))
                viewer = slowest[self._large.members].get(name)
                who = f"{name} ({viewer[2]})" if viewer else name
                yield Figure(
                    f"API keys page, {self._large.size} to {self._small.members:,}: {who}", f"≤ {limit}",
                    large / small, note=_milliseconds(large, small),
                )  # fmt: skip

    def _slowest(self, installation: Installation) -> dict[str, tuple[int, str, str]]:
        """Return viewer and address of the slowest API keys page of all that are tried, and who that is.

        Twice: in the tree as it grew, and of all. The former leaves out the branches whose keys were all made older
        than everybody else's, and the order that begins with those.
        """
        facts, child = installation.facts, self._keytree[installation.members]
        viewers = {member: f"member {member}" for member in facts["tried"]}
        viewers |= {member: name for name, member in facts["viewers"].items()}
        candidates = {(member, order): _page(child, member, _KEYS + order) for member in viewers for order in _ORDERS}
        times = {
            candidate: self._server_time(median) for candidate, median in taking_turns(candidates, rounds=3).items()
        }
        grown = {
            (member, order): time
            for (member, order), time in times.items()
            if "oldest" not in viewers[member] and order != _OLDEST_FIRST
        }
        found = {}
        for kind, among in (("slowest viewer of the tree as it grew", grown), ("slowest viewer found", times)):
            member, order = max(among, key=among.__getitem__)
            found[kind] = member, _KEYS + order, f"{viewers[member]}{order and ', '}{order.strip('?')}"
        return found

    def _queries(self) -> Iterator[Figure]:
        counts = {
            (each.size, name, order): self._keytree[each.members](
                "queries", member=each.facts["viewers"][name], path=_KEYS + order
            )
            for each in self.sizes
            for name in each.facts["viewers"]
            for order in _ORDERS
        }
        fewest, most = min(counts.values()), max(counts.values())
        where = ", ".join(f"{name} ({size})" for (size, name, order), n in counts.items() if n == most and not order)
        yield Figure(
            "queries of the API keys page, with session and user", "≤ 6", most,
            measured=f"{fewest} to {most}", note=f"most: {where}" if most > fewest else "",
        )  # fmt: skip

    def _other_pages(self) -> Iterator[Figure]:
        for title, address, viewer in _OTHER_PAGES:
            times = {}
            for each in self.sizes:
                ask = _page(self._keytree[each.members], each.facts["viewers"][viewer], address)
                median = taking_turns({"page": ask}, rounds=max(3, self.effort.rounds // 4))["page"]
                times[each.members] = self._server_time(median)
            told = " to ".join(f"{seconds * 1e3:,.1f}" for seconds in reversed(times.values()))
            yield Figure(title, "", 1, measured=f"{told} ms", note="")

    def _export(self) -> Iterator[Figure]:
        each = self.sizes[-1]
        with closing(Child("tests.bench.keytree", each.environment)) as child:
            done = child("export", member=each.facts["viewers"]["owner"])
        grown = done["memory"] / _MiB
        yield Figure(
            f"CSV of {each.facts['keys']:,} keys, growth of the worker's memory in MiB", "≤ 50", grown,
            measured=f"{grown:.1f}", note=f"{done['bytes'] / _MiB:,.0f} MiB in {done['seconds']:,.0f} s",
        )  # fmt: skip

    # --- The tree -----------------------------------------------------------------------------------------------------

    def _ancestors(self) -> Iterator[Figure]:
        each, times = self.sizes[-1], {"times": 3, "block": 1_000}
        child, viewers = self._keytree[each.members], each.facts["viewers"]
        medians = taking_turns(
            {
                "relation": lambda: child("relation", member=viewers["half"], other=viewers["leaf"], **times),
                "lookup": lambda: child("lookup", **times),
            },
            rounds=self.effort.rounds,
        )
        relation, lookup = medians["relation"].elapsed, medians["lookup"].elapsed
        yield Figure(
            f"ancestor check to a primary-key look-up, {each.size}", "≤ 1", relation / lookup,
            measured=f"{relation / lookup:.3f}", note=f"{relation * 1e6:.2f} µs to {lookup * 1e6:.1f} µs; no query",
        )  # fmt: skip

    def _move(self) -> Iterator[Figure]:
        each = self.sizes[-1]
        movable, path = each.facts["movable"], str(self._authorizations(each))
        watcher = self._child("tests.bench.keytree", each.environment)
        watch = lambda: watcher("watch", member=each.facts["viewers"]["half"], authorizations=path, seconds=0.5)
        watch()
        waits, seconds = [], []
        for _ in range(2):
            mover = threading.Thread(
                target=lambda: seconds.extend(self._keytree[each.members]("move", member=movable["member"]))
            )
            mover.start()
            while mover.is_alive():
                waits.append(watch())
            mover.join()
        if not seconds:
            raise ChildFailed("the move was refused")
        median = statistics.median(seconds)
        yield Figure(
            f"move of {movable['members']:,} members in {each.members:,}, seconds", "≤ 2" if self._large else "",
            median,
            note=f"{min(seconds):.2f} to {max(seconds):.2f} s, with other requests beside",
        )  # fmt: skip
        longest = {kind: max(found[kind] for found in waits) for kind in waits[0]}
        judged = "≤ 1" if self.vendor == "postgresql" and self._large else ""
        told = ", ".join(f"{kind} {wait:.2f}" for kind, wait in longest.items())
        yield Figure("… longest wait of another request meanwhile, seconds", judged, max(longest.values()), note=told)

    def _branch(self) -> Iterator[Figure]:
        """What is asked before a branch of 10,000 is moved or revoked, and the revocation itself, undone afterwards."""
        each = self.sizes[-1]
        child, owner, movable = self._keytree[each.members], each.facts["viewers"]["owner"], each.facts["movable"]
        of_branch = f"/iam/users/{movable['member']}"
        pages = {
            "preview of a move": f"{of_branch}/parent?parent={owner}",
            "review before revoking": f"{of_branch}/revoke_keys",
        }
        asked = {name: _page(child, owner, address) for name, address in pages.items()}
        for name, median in taking_turns(asked, rounds=3).items():
            told = f"{self._server_time(median) * 1e3:,.0f} ms"
            yield Figure(f"{name}, {movable['members']:,} members in {each.members:,}", "", 1, measured=told)
        keys, seconds = child("revoke", member=movable["member"])
        yield Figure(
            f"revoking {keys:,} keys of a branch in {each.members:,} members, seconds", "", seconds,
            measured=f"{seconds:.1f}",
        )  # fmt: skip

    def _memory(self) -> Iterator[Figure]:
        each = self.sizes[-1]
        session = self._keytree[each.members]("cookie", member=each.facts["viewers"]["owner"])
        keytree = lambda served: _memory_after(served, _KEYS, session)
        with load.serving("console.wsgi", each.environment, workers=1) as server:
            alone = keytree(server)
        with _serving_keytree(each.environment, workers=1) as server:
            sharing = keytree(server)
        with load.serving("tests.bench.empty_project.wsgi", _EMPTY, workers=1) as server:
            minimal = _memory_after(server, "/verify", "")
        url = each.environment["DATABASE_URL"] or f"sqlite:///{each.environment['KEYTREE_DATA_DIR']}/keytree.sqlite3"
        databases = {"BENCH_DATABASES": json.dumps({"default": dj_database_url.parse(url)})}
        with load.serving("tests.bench.empty_project.wsgi", _EMPTY | databases, workers=1) as server:
            asking = _memory_after(server, "/asking", "")
        yield Figure(
            "worker's memory after a first page, to minimal Django", "≤ 1.4", alone / minimal,
            note=f"{alone / _MiB:.1f} MiB to {minimal / _MiB:.1f} MiB",
        )  # fmt: skip
        yield Figure(
            "… to minimal Django that has asked the same database something", "", alone / asking,
            note=f"{asking / _MiB:.1f} MiB",
        )  # fmt: skip
        yield Figure(
            "… as Keytree is served, what was loaded before its workers being shared", "", sharing / minimal,
            note=f"{sharing / _MiB:.1f} MiB",
        )  # fmt: skip


_EMPTY = environment(DJANGO_SETTINGS_MODULE="tests.bench.empty_project.settings")


def _page(child: Child, member: int, address: str) -> Callable[[], Sequence[Sequence[float]]]:
    return lambda: child("page", member=member, path=address, times=2)


def _milliseconds(one: float, other: float) -> str:
    return f"{one * 1e3:,.1f} ms to {other * 1e3:,.1f} ms"


def _serving_keytree(variables: Mapping[str, str], *, workers: int = 2) -> AbstractContextManager[load.Server]:
    """Serve Keytree as ``make run`` does, but for the kind of worker: that is the same for all."""
    return load.serving("console.wsgi", variables, workers=workers, config="python:console.server")


def _memory_after(server: load.Server, path: str, cookie: str) -> int:
    """Return the bytes that the server's only worker holds after one page."""
    request = urllib.request.Request(server.url + path, headers={"Cookie": cookie})
    with urllib.request.urlopen(request, timeout=30) as answer:
        answer.read()
    return server.workers_memory()
