// The line from its plan: machines by state, buffers, and the ways between sections. Only what changes is written.
import { arrange, way } from "./layout.js";
import { draw, label, make, put } from "./dom.js";
import { words } from "./text.js";
import { vehicleView } from "./vehicles.js";

const VIEW = { left: [-1, 0], right: [1, 0], up: [0, -1], down: [0, 1] };
const KEYS = { ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down" };

export const planView = (plan, root, { onOpen }) => {
  const states = new Map(plan.states.map((state) => [state.id, state]));
  const operations = new Map(plan.operations.map((each) => [each.name, each]));
  const levels = new Map(); // place -> its nodes
  const tiles = new Map(); // unit -> its button
  const cells = new Map(); // operation -> its node
  const boxes = new Map(); // section -> its node
  let now = { units: {}, levels: {}, vehicles: {}, top: null };
  let layout = null;
  let placedAt = 0;

  const placesOf = (operation) => plan.places.filter((place) => place.operation === operation);
  const sections = plan.sections.map(({ name, column, operations: members }) => ({
    name, title: words(name), column, cells: members.map((each) => ({ name: each, machines: operations.get(each).machines.length, levels: placesOf(each).length })),
  })).filter(({ cells: members }) => members.length);

  // ---- nodes
  const tile = (unit, operation) => {
    const node = make("button", { type: "button", className: "m s14", tabIndex: -1 }, "?");
    node.dataset.unit = unit;
    node.dataset.about = `${unit}, ${operation.name}${operation.title ? ` ${operation.title}` : ""}`;
    tiles.set(unit, node);
    return node;
  };
  const level = (place) => {
    const bar = make("i");
    const text = make("span", {}, "–");
    const node = make("div", { className: "level" }, make("div", { className: "track" }, bar), text);
    levels.set(place.id, { node, bar, text, place });
    return node;
  };
  const cell = (name) => {
    const operation = operations.get(name);
    const machines = make("div", { className: "machines" }, ...operation.machines.map((unit) => tile(unit, operation)));
    const node = make("div", { className: operation.pacing ? "cell pacing" : "cell" }, make("div", { className: "name", title: `${name} ${operation.title ?? ""}${operation.pacing ? ": pacing station" : ""}` }, name), machines, ...placesOf(name).map(level));
    cells.set(name, node);
    return node;
  };
  const ways = draw("svg", { class: "ways", "aria-hidden": "true" });
  root.replaceChildren(ways);
  for (const { name, cells: members } of sections) {
    const box = make("div", { className: "section" }, make("div", { className: "head" }, words(name)), make("div", { className: "frame" }));
    boxes.set(name, box);
    root.append(box, ...members.map(({ name: each }) => cell(each)));
  }
  const vehicles = vehicleView(plan, root, states);
  const first = tiles.values().next().value;
  if (first) first.tabIndex = 0;

  // ---- layout
  const setBox = (node, { x, y, width, height }) => {
    node.style.transform = `translate(${x.toFixed(1)}px,${y.toFixed(1)}px)`;
    node.style.width = `${width.toFixed(1)}px`;
    node.style.height = `${height.toFixed(1)}px`;
  };
  const routes = () => {
    const outs = new Map(), ins = new Map();
    const next = (map, name) => { map.set(name, (map.get(name) ?? 0) + 1); return map.get(name); };
    const numbered = plan.routes.filter(({ from, to }) => boxes.has(from) && boxes.has(to)).map((route) => ({ ...route, out: next(outs, route.from), in: next(ins, route.to) }));
    return numbered.map((route, lane) => ({
      ...route,
      way: way(layout.sections.get(route.from), layout.sections.get(route.to), {
        isStacked: layout.isStacked, lane, leaves: route.out / (outs.get(route.from) + 1), arrives: route.in / (ins.get(route.to) + 1),
      }),
    }));
  };
  const place = (room = root.clientWidth) => {
    if (!room || room === placedAt) return;
    placedAt = room;
    layout = arrange(sections, room);
    root.style.height = `${Math.ceil(layout.height) + 24}px`;
    root.style.setProperty("--u", `${layout.scale}px`);
    root.classList.toggle("stacked", layout.isStacked);
    layout.sections.forEach((box, name) => {
      setBox(boxes.get(name), box);
      boxes.get(name).style.setProperty("--head", `${box.head.toFixed(1)}px`);
    });
    layout.operations.forEach((box, name) => setBox(cells.get(name), box));
    ways.setAttribute("width", room);
    ways.setAttribute("height", Math.ceil(layout.height) + 24);
    const drawn = routes();
    ways.replaceChildren(...drawn.map(({ from, to, by, way: { d } }) => {
      const path = draw("path", { d, class: `way ${by}` });
      const title = draw("title");
      title.textContent = `${words(from)} to ${words(to)}${by === "hand" ? "" : ` by ${by}`}`;
      path.append(title);
      return path;
    }));
    vehicles.place(layout, drawn);
  };

  // ---- values
  const setUnit = (name) => {
    const node = tiles.get(name);
    const [id, , , mode] = now.units[name] ?? [14];
    const state = states.get(id) ?? states.get(14);
    if (!node || !state) return;
    const cause = mode ? ` (${words(mode)})` : "";
    const selected = node.classList.contains("selected") ? " selected" : "";
    node.className = `m s${state.id}${selected}`;
    put(node, state.letter);
    label(node, `${node.dataset.about}: ${state.name}${cause}`);
  };
  const setLevel = (id) => {
    const found = levels.get(id);
    if (!found) return;
    const { node, bar, text, place: { from, capacity, kind } } = found;
    const n = now.levels[id];
    const isKnown = Number.isFinite(n);
    const share = isKnown && capacity ? Math.min(1, n / capacity) : 0;
    bar.style.transform = `scaleX(${share.toFixed(3)})`;
    node.classList.toggle("full", share >= 1);
    put(text, isKnown ? (capacity ? `${n}/${capacity}` : String(n)) : "–");
    node.title = `${kind} for parts from ${words(from ?? "")}: ${isKnown ? n : "unknown"}${capacity ? ` of ${capacity}` : ""}`;
  };
  const setConstraint = () => {
    const name = now.top?.constraint?.name;
    cells.forEach((node, each) => node.classList.toggle("constraint", each === name));
  };
  const update = (picture, change) => {
    now = picture;
    const what = change ?? picture;
    for (const name of Object.keys(what.units ?? {})) setUnit(name);
    for (const id of Object.keys(what.levels ?? {})) setLevel(id);
    if (Object.keys(what.vehicles ?? {}).length || vehicles.areMoving()) vehicles.update(picture.vehicles, picture.t_ms);
    if (what.top) setConstraint();
  };

  // ---- selection and keys
  const select = (name) => {
    root.querySelectorAll(".selected").forEach((node) => node.classList.remove("selected"));
    const node = tiles.get(name) ?? vehicles.node(name);
    node?.classList.add("selected");
    return node;
  };
  const focusOn = (node) => {
    root.querySelectorAll('[tabindex="0"]').forEach((each) => { each.tabIndex = -1; });
    node.tabIndex = 0;
    node.focus();
  };
  const centre = (node) => { const box = node.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; };
  const neighbour = (node, direction) => {
    const [dx, dy] = VIEW[direction];
    const [x, y] = centre(node);
    let best = null, least = Infinity;
    for (const each of root.querySelectorAll("button")) {
      if (each === node || each.hidden) continue;
      const [ex, ey] = centre(each);
      const ahead = (ex - x) * dx + (ey - y) * dy;
      const aside = Math.abs((ex - x) * dy) + Math.abs((ey - y) * dx);
      if (ahead > 2 && ahead + 3 * aside < least) { least = ahead + 3 * aside; best = each; }
    }
    return best;
  };
  root.onkeydown = (event) => {
    const direction = KEYS[event.key];
    const node = event.target.closest("button");
    if (!direction || !node) return;
    event.preventDefault();
    const next = neighbour(node, direction);
    if (next) focusOn(next);
  };
  root.onclick = ({ target }) => {
    const node = target.closest("[data-unit]");
    if (node) onOpen(node.dataset.unit, node);
  };
  place();
  return { update, select, place, names: () => [...tiles.keys()] };
};
