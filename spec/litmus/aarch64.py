"""Decides litmus tests in herd7's format under the axiomatic memory model of Arm's AArch64.

    aarch64.py FILE..       prints a table of verdicts; status 1 when one is not as its file expects

Every candidate execution of a test is built: each read takes its value from each write of its
location, the writes of each location come in each order. One is allowed when

    po-loc | rf | co | fr                   has no cycle (each location alone is coherent), and
    rfe | coe | fre | bob                   has none (bob: barriers and ordered accesses)

which is aarch64.cat for programs without branches, dependencies and read-modify-writes. The rules
left out would only order more, so an outcome forbidden here is forbidden there.
"""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

READS = {"LDR": "", "LDAR": "A", "LDAPR": "Q"}
WRITES = {"STR": "", "STLR": "L"}
BARRIERS = {"DMB ISH", "DMB ISHLD", "DMB ISHST"}
START = -1  # the thread of the writes that give each location its first value

Edges = set[tuple[int, int]]


@dataclass(frozen=True)
class Event:
    """One access or barrier. mark is A, Q or L of an ordered access, or the barrier's name."""

    number: int
    thread: int
    kind: str  # R, W or F
    mark: str = ""
    place: str = ""
    value: int = 0  # of a write
    register: str = ""  # of a read: "1:X0"


@dataclass
class Test:
    name: str
    expected: str  # forbidden or allowed
    about: str
    condition: str
    events: list[Event] = field(default_factory=list)


def parse(text: str) -> Test:
    head, _, rest = text.partition("{")
    start, _, rest = rest.partition("}")
    code, _, condition = rest.partition("exists")
    found = re.fullmatch(r'AArch64 (\S+)\n"(forbidden|allowed): (.*)"\n', head)
    if not found:
        raise ValueError(f"not an AArch64 test with a verdict in its title: {head!r}")
    test = Test(*found.groups(), condition.strip())
    addresses = dict(re.findall(r"(\d+:X\d+)=([a-z]\w*);", start))
    values = {p: int(v) for p, v in re.findall(r"(?<![\w:])([a-z]\w*)=(\d+);", start)}
    for place in sorted(set(addresses.values())):
        add(test, START, "W", place=place, value=values.get(place, 0))
    rows = [[c.strip() for c in line.rstrip("; ").split("|")] for line in code.strip().split("\n")]
    for thread, column in enumerate(zip(*rows, strict=True)):
        compile_thread(test, thread, column[1:], addresses)
    return test


def add(test: Test, thread: int, kind: str, **fields) -> None:
    test.events.append(Event(len(test.events), thread, kind, **fields))


def compile_thread(test: Test, thread: int, code: tuple[str, ...], addresses: dict) -> None:
    constants: dict[str, int] = {}
    for line in filter(None, code):
        op, _, rest = line.partition(" ")
        if move := re.fullmatch(r"MOV W(\d+),#(\d+)", line):
            constants[move[1]] = int(move[2])
        elif line in BARRIERS:
            add(test, thread, "F", mark=line)
        elif (access := re.fullmatch(r"W(\d+),\[X(\d+)\]", rest)) and op in READS | WRITES:
            register, place = access[1], addresses[f"{thread}:X{access[2]}"]
            if op in READS:
                add(
                    test, thread, "R", mark=READS[op], place=place, register=f"{thread}:X{register}"
                )
            else:
                add(test, thread, "W", mark=WRITES[op], place=place, value=constants[register])
        else:
            raise ValueError(f"{test.name}: unknown instruction {line!r}")


def barrier_ordered(events: list[Event]) -> Edges:
    """Return bob: the pairs of a thread's accesses that stay in program order."""
    kept: Edges = set()
    for a, b in itertools.combinations(events, 2):
        if a.thread != b.thread or a.thread == START or "F" in (a.kind, b.kind):
            continue
        between = {f.mark for f in events[a.number : b.number] if f.kind == "F"}
        if (
            "DMB ISH" in between
            or ("DMB ISHLD" in between and a.kind == "R")
            or ("DMB ISHST" in between and a.kind == b.kind == "W")
            or a.mark in ("A", "Q")
            or b.mark == "L"
            or (a.mark == "L" and b.mark == "A")
        ):
            kept.add((a.number, b.number))
    return kept


def cyclic(edges: Edges) -> bool:
    after: dict[int, list[int]] = {}
    for a, b in edges:
        after.setdefault(a, []).append(b)
    done: set[int] = set()

    def reaches_itself(node: int, path: frozenset[int]) -> bool:
        if node in path:
            return True
        if node in done:
            return False
        found = any(reaches_itself(n, path | {node}) for n in after.get(node, ()))
        done.add(node)
        return found

    return any(reaches_itself(node, frozenset()) for node in list(after))


def orders(writes: list[Event]) -> Iterator[list[Event]]:
    """Yield the coherence orders of one location: its first value comes first."""
    for rest in itertools.permutations(writes[1:]):
        yield [writes[0], *rest]


def outcomes(test: Test) -> Iterator[dict[str, int]]:
    """Yield the values in the registers at the end of every execution that the model allows."""
    events = test.events
    reads = [e for e in events if e.kind == "R"]
    writes: dict[str, list[Event]] = {}
    for e in events:
        if e.kind == "W":
            writes.setdefault(e.place, []).append(e)
    bob = barrier_ordered(events)
    po_loc = {
        (a.number, b.number)
        for a, b in itertools.combinations(events, 2)
        if a.thread == b.thread and a.place and a.place == b.place
    }
    for coherence in itertools.product(*map(orders, writes.values())):
        rank = {w.number: i for line in coherence for i, w in enumerate(line)}
        co = {
            (a.number, b.number) for line in coherence for a, b in itertools.combinations(line, 2)
        }
        if cyclic(po_loc | co):
            continue
        for sources in itertools.product(*(writes[r.place] for r in reads)):
            rf = {(w.number, r.number) for w, r in zip(sources, reads, strict=True)}
            fr = {
                (r.number, later.number)
                for w, r in zip(sources, reads, strict=True)
                for later in writes[r.place]
                if rank[later.number] > rank[w.number]
            }
            seen = rf | co | fr
            if cyclic(po_loc | seen):
                continue
            external = {(a, b) for a, b in seen if events[a].thread != events[b].thread}
            if not cyclic(external | bob):
                yield {r.register: w.value for w, r in zip(sources, reads, strict=True)}


def holds(condition: str, registers: dict[str, int]) -> bool:
    """Report whether a condition in herd7's notation is true of these registers."""
    python = condition.replace("/\\", " and ").replace("\\/", " or ").replace("~", " not ")
    python = re.sub(r"(\d+:X\d+)=(\d+)", lambda m: str(registers[m[1]] == int(m[2])), python)
    if re.sub(r"True|False|and|or|not|[()\s]", "", python):
        raise ValueError(f"unknown condition {condition!r}")
    return bool(eval(" ".join(python.split())))


def main(files: list[str]) -> int:
    wrong = 0
    for file in files:
        test = parse(Path(file).read_text())
        verdict = (
            "allowed" if any(holds(test.condition, o) for o in outcomes(test)) else "forbidden"
        )
        wrong += verdict != test.expected
        note = "" if verdict == test.expected else f"   WRONG: expected {test.expected}"
        print(f"{test.name:36} {verdict:10} {test.about}{note}")
    print(f"{len(files)} litmus tests, {wrong} with a wrong verdict")
    return 1 if wrong or not files else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
