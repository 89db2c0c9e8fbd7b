// Vehicles on their routes. The browser moves them between two events; they stand at the foot of a section.
import { way } from "./layout.js";
import { label, make, put, show } from "./dom.js";
import { percent, words } from "./text.js";

const SLOT = 28, WIDTH = 26, HEIGHT = 18; // px

// "agv3" -> "3": the figures at the end, else the first letters
const short = (name) => name.match(/\d{1,3}$/)?.[0] ?? name.slice(0, 3);

export const vehicleView = (plan, root, states) => {
  const nodes = new Map();
  let layout = null;
  let routes = new Map();
  let last = {};
  let nowMs = 0;
  for (const { name } of plan.units.filter(({ role }) => role === "vehicle")) {
    const battery = make("i");
    const letter = make("em", {}, "?");
    const node = make("button", { type: "button", className: "vehicle s14", tabIndex: -1, hidden: true }, short(name), letter, make("span", { className: "battery" }, battery));
    node.dataset.unit = name;
    nodes.set(name, { node, battery, letter });
    root.append(node);
  }

  const wayOf = (from, to) => {
    const key = `${from}\n${to}`;
    if (!routes.has(key)) {
      const [a, b] = [layout.sections.get(from), layout.sections.get(to)];
      if (!a || !b) return null;
      routes.set(key, way(a, b, { isStacked: layout.isStacked, lane: 3 }));
    }
    return routes.get(key);
  };
  // Standing vehicles of a section are beside each other at the foot of its frame.
  const standing = (vehicles) => {
    const slots = new Map(), found = new Map();
    for (const [name, { from, to }] of Object.entries(vehicles)) {
      if (to && to !== from) continue;
      found.set(name, slots.get(from) ?? 0);
      slots.set(from, (slots.get(from) ?? 0) + 1);
    }
    return found;
  };
  // `at` was true at the time of the event that brought it; the vehicle has driven on at `rate` per second since.
  const shareOf = ({ at, rate, t_ms: since }) => Math.min(1, Math.max(0, (at ?? 0) + ((rate ?? 0) * (nowMs - (since ?? nowMs))) / 1000));
  const pointOf = (vehicle, slot) => {
    const { from, to } = vehicle;
    const box = layout.sections.get(from);
    if (slot === undefined) {
      const found = wayOf(from, to);
      return found ? found.at(shareOf(vehicle)) : null;
    }
    if (!box) return null;
    const perRow = Math.max(1, Math.floor((box.width - 4) / SLOT));
    return [box.x + box.width - 2 - WIDTH / 2 - (slot % perRow) * SLOT, box.y + box.height - 1 + Math.floor(slot / perRow) * (HEIGHT + 2)];
  };
  const set = (name, vehicle, slot) => {
    const found = nodes.get(name);
    if (!found) return;
    const { node, battery, letter } = found;
    const point = vehicle ? pointOf(vehicle, slot) : null;
    show(node, Boolean(point));
    if (!point) return;
    const { from, to, loaded, battery: charge, state } = vehicle;
    const mark = states.get(state) ?? states.get(14);
    const selected = node.classList.contains("selected") ? " selected" : "";
    node.className = `vehicle s${mark.id}${loaded ? " loaded" : ""}${selected}`;
    put(letter, mark.letter);
    node.style.transform = `translate(${(point[0] - WIDTH / 2).toFixed(1)}px,${(point[1] - HEIGHT / 2).toFixed(1)}px)`;
    show(battery.parentNode, Number.isFinite(charge));
    if (Number.isFinite(charge)) battery.style.transform = `scaleX(${Math.min(1, Math.max(0, charge)).toFixed(2)})`;
    battery.classList.toggle("low", charge < 0.25);
    const where = to && to !== from ? `from ${words(from)} to ${words(to)}` : `at ${words(from)}`;
    label(node, `${name}: ${mark.name}, ${where}${Number.isFinite(charge) ? `, battery ${percent(charge)}` : ""}`);
  };
  const update = (vehicles, tMs) => {
    last = vehicles;
    nowMs = tMs;
    if (!layout) return;
    const slots = standing(vehicles);
    for (const name of nodes.keys()) set(name, vehicles[name], slots.get(name));
  };
  const place = (found, drawn) => {
    layout = found;
    routes = new Map(drawn.map(({ from, to, way: each }) => [`${from}\n${to}`, each]));
    update(last, nowMs);
  };
  return {
    update, place,
    areMoving: () => Object.values(last).some(({ to, from }) => to && to !== from),
    node: (name) => nodes.get(name)?.node,
  };
};
