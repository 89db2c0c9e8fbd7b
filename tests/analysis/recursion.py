"""The critical path of a tandem line by its recursion: single machines, blocking after service, saturated.

start(j, i) = max(leave(j, i - 1), leave(j - 1, i)); leave(j, i) = max(start(j, i) + work, room), where a place for
part j is free when part j - b starts behind it, without places when part j - 1 leaves.
"""

from __future__ import annotations

Node = tuple[str, int, int]


def work_on_path(work_us: list[list[int]], buffers: list[int]) -> list[int]:
    """Work by station on the longest chain that ends with the last part; work_us by part and station."""
    when: dict[Node, int] = {}
    why: dict[Node, Node | None] = {}

    def settle(node: Node, options: list[tuple[int, Node | None]]) -> None:
        when[node], why[node] = max(options, key=lambda option: option[0])

    for j, part in enumerate(work_us):
        for i, work in enumerate(part):
            before: list[Node] = [("leave", j, i - 1)] * (i > 0) + [("leave", j - 1, i)] * (j > 0)
            settle(("start", j, i), [(0, None), *((when[n], n) for n in before)])
            options: list[tuple[int, Node | None]] = [(when["start", j, i] + work, ("start", j, i))]
            if i + 1 < len(part):
                b = buffers[i + 1]
                room: Node = ("start", j - b, i + 1) if b else ("leave", j - 1, i + 1)
                options += [(when[room], room)] if room in when else []
            settle(("leave", j, i), options)
    spent = [0] * len(work_us[0])
    node: Node | None = ("leave", len(work_us) - 1, len(spent) - 1)
    while node is not None:
        earlier = why[node]
        if earlier is not None and node[0] == "leave" and earlier[0] == "start" and earlier[1:] == node[1:]:
            spent[node[2]] += work_us[node[1]][node[2]]
        node = earlier
    return spent
