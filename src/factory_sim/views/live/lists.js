// Alarms and the critical path, beside the line; crews and robots, and the legend, below it.
import { byId, fillRows, make, put, show } from "./dom.js";
import { fixed, percent, words } from "./text.js";

const MARKS = { high: "!", medium: "▲", low: "·" };
const MOST_ALARMS = 40;
const PIPS = 8; // people of a crew that are drawn one by one

// The states that machines have, and those of vehicles.
const ON_MACHINES = ["busy", "setup", "maintenance", "starved", "blocked", "waiting", "down", "repair", "off", "unknown"];
const ON_VEHICLES = ["idle", "moving_empty", "moving_loaded", "loading", "charging"];

export const legend = ({ states, units }) => {
  const mark = ({ id, letter }, kind) => (kind === "m" ? make("i", { className: `m s${id}` }, letter) : make("i", { className: `vehicle s${id}` }, make("em", {}, letter)));
  const entry = (state, kind) => make("li", {}, mark(state, kind), state.name);
  const hasVehicles = units.some(({ role }) => role === "vehicle");
  byId("legend").replaceChildren(
    ...states.filter(({ kind }) => ON_MACHINES.includes(kind)).map((state) => entry(state, "m")),
    ...(hasVehicles ? states.filter(({ kind }) => ON_VEHICLES.includes(kind)).map((state) => entry(state, "vehicle")) : []),
  );
};

const drawPath = (items, none) => {
  const section = byId("path");
  show(section.querySelector(".none"), !items.length);
  put(section.querySelector(".none"), none);
  const most = Math.max(...items.map(({ share }) => share), 1e-9);
  const makeRow = () => make("li", {}, make("button", { type: "button", className: "plain" }), make("span", { className: "bar" }, make("i")), make("em"));
  fillRows(section.querySelector("ol"), items, makeRow, (row, { kind, name, share }) => {
    const [open, bar, value] = row.children;
    put(open, kind === "operation" ? words(name) : `${words(kind)} ${words(name)}`);
    open.dataset.open = name;
    bar.firstChild.style.transform = `scaleX(${(share / most).toFixed(3)})`;
    put(value, percent(share));
  });
};

export const listsView = (plan, clock) => {
  const alarmsSection = byId("alarms");
  const alarmRow = () => make("li", {}, make("i"), make("button", { type: "button", className: "plain" }), make("span", { className: "what" }), make("em"));
  const alarms = (items) => {
    put(alarmsSection.querySelector(".count"), items.length ? fixed(items.length) : "");
    show(alarmsSection.querySelector(".none"), !items.length);
    fillRows(alarmsSection.querySelector("ol"), items.slice(0, MOST_ALARMS), alarmRow, (row, { unit, text, severity, since_ms: since }) => {
      const [mark, name, what, time] = row.children;
      mark.className = `mark ${severity in MARKS ? severity : "low"}`;
      put(mark, MARKS[severity] ?? "·");
      mark.title = `severity: ${severity}`;
      show(name, Boolean(unit));
      put(name, unit ?? "");
      name.dataset.open = unit ?? "";
      put(what, unit && text.startsWith(`${unit}: `) ? text.slice(unit.length + 2) : text);
      put(time, Number.isFinite(since) ? clock.minute(since) : "");
    });
  };

  const crewNodes = new Map();
  const chips = plan.crews.map(({ name, size }) => {
    const pips = make("span", { className: "pips", "aria-hidden": "true" }, ...Array.from({ length: Math.min(size, PIPS) }, () => make("i")));
    const text = make("span", {}, "–");
    crewNodes.set(name, { pips, text });
    return make("li", {}, make("b", {}, words(name)), " ", pips, " ", text);
  });
  const robots = new Map();
  const states = new Map(plan.states.map((state) => [state.id, state]));
  for (const { name } of plan.units.filter(({ role }) => role === "robot")) {
    const node = make("button", { type: "button", className: "m s14" }, "?");
    node.dataset.open = name;
    robots.set(name, node);
    chips.push(make("li", {}, make("b", {}, words(name)), " ", node));
  }
  // parts on conveyors, in one sum
  const conveyors = plan.places.filter(({ kind }) => kind === "conveyor").map(({ id }) => id);
  const onConveyors = make("span", {}, "–");
  if (conveyors.length) chips.push(make("li", {}, make("b", {}, "conveyors"), " ", onConveyors));
  const carried = (levels) => {
    const known = conveyors.filter((id) => Number.isFinite(levels[id]));
    if (!known.length) return;
    const sum = known.reduce((total, id) => total + levels[id], 0);
    put(onConveyors, `${sum} part${sum === 1 ? "" : "s"}`);
    onConveyors.title = known.map((id) => `${words(id)}: ${levels[id]}`).join(", ");
  };
  byId("crews").replaceChildren(...chips);
  const crews = (change) => {
    for (const [name, entry] of Object.entries(change)) {
      const found = crewNodes.get(name);
      if (!found || !entry) continue;
      const [busy, size] = entry;
      [...found.pips.children].forEach((pip, i) => pip.classList.toggle("busy", i < busy));
      put(found.text, `${busy} of ${size} busy`);
    }
  };
  const units = (change) => {
    for (const [name, entry] of Object.entries(change)) {
      const node = robots.get(name);
      const state = states.get(entry?.[0]);
      if (!node || !state) continue;
      node.className = `m s${state.id}`;
      put(node, state.letter);
      node.setAttribute("aria-label", `${name}: ${state.name}`);
    }
  };
  const update = (picture, change) => {
    if (Object.keys(change.levels ?? {}).length) carried(picture.levels);
    if (change.crews) crews(change.crews);
    if (change.units) units(change.units);
    if (change.alarms) alarms(change.alarms);
    if (change.top) drawPath(change.top.path ?? [], change.top.reasons?.constraint ?? "The path is not known yet.");
  };
  return { update };
};
