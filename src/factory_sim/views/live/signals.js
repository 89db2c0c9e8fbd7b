// Curves of the sensors of one unit, drawn by uPlot. Each keeps a limited number of samples.
import { make, put } from "./dom.js";
import { fixed, number, placesFor, words } from "./text.js";

const MOST = 4000; // samples of a sensor that are kept
const HEIGHT = 76;
const RANGES = [["5 min", 300_000], ["30 min", 1_800_000], ["2 h", 7_200_000]];

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// Keep what lies in [from, ...], at most MOST samples.
const trim = (times, values, from) => {
  let drop = Math.max(0, times.length - MOST);
  while (drop < times.length && times[drop] < from) drop += 1;
  if (drop) { times.splice(0, drop); values.splice(0, drop); }
};

const reach = (low, high) => {
  const margin = 0.08 * (high - low) || 0.05 * Math.abs(high) || 1;
  return [low - margin, high + margin];
};

const curveOf = ({ name, text, low, high }, clock, isFull) => {
  const value = make("b", {}, "–");
  const box = make("div", { className: "plot" });
  const hasRange = Number.isFinite(low) && Number.isFinite(high);
  const range = hasRange ? `range ${number(low)} to ${number(high)} ${text}` : "no range is stated";
  const node = make("figure", { className: "signal" }, make("figcaption", {}, make("span", { className: "name" }, words(name)), value, make("span", { className: "unit" }, text), make("span", { className: "range" }, range)), box);
  node.dataset.sensor = name;
  let plot = null;
  let data = [[], []];
  let window = [0, 1];

  const scaleY = (_, least, most) => {
    if (isFull() && hasRange) return reach(low, high);
    return least === null || most === null ? [0, 1] : reach(least, most);
  };
  const axis = (size, more) => ({ stroke: colour("--soft"), font: "11px system-ui, sans-serif", grid: { stroke: colour("--faint"), width: 1 }, ticks: { show: false }, size, ...more });
  const build = () => {
    plot?.destroy();
    plot = new uPlot({
      width: Math.max(120, box.clientWidth), height: HEIGHT, legend: { show: false }, cursor: { drag: { x: false, y: false }, y: false },
      scales: { x: { time: false, range: () => window }, y: { range: scaleY } },
      axes: [
        axis(18, { gap: 2, space: 48, values: (_, ticks) => ticks.map((t) => clock.minute(t)), incrs: [60_000, 120_000, 300_000, 900_000, 1_800_000, 3_600_000] }),
        axis(46, { gap: 3, space: 22, values: (_, ticks) => ticks.map((v) => number(v, 4)) }),
      ],
      series: [{}, { stroke: colour("--link"), width: 1.25, points: { show: false }, spanGaps: false }],
    }, data, box);
  };
  // As many places as tell the values of the curve from each other: a hundredth of what is shown.
  const placesOf = (last, from) => {
    let [least, most] = [last, last];
    data[1].forEach((v, i) => { if (v !== null && data[0][i] >= from) [least, most] = [Math.min(least, v), Math.max(most, v)]; });
    return most > least ? placesFor(10 * (most - least)) : placesFor(hasRange ? high - low : last);
  };
  const draw = (from, to) => {
    window = [from, to];
    if (!plot && box.clientWidth) build();
    plot?.setData(data);
    let last = null;
    for (let i = data[1].length - 1; i >= 0 && last === null; i -= 1) last = data[1][i];
    put(value, last === null ? "–" : fixed(last, placesOf(last, from)));
    node.classList.toggle("outside", hasRange && last !== null && (last < low || last > high));
  };
  return {
    node, draw,
    clear: () => { data = [[], []]; },
    add: ({ t_ms: times, value: values }, from) => {
      const [known, kept] = data;
      const after = known.length ? known[known.length - 1] : -Infinity;
      times.forEach((t, i) => { if (t > after) { known.push(t); kept.push(values[i]); } });
      trim(known, kept, from);
    },
    latest: () => (data[0].length ? data[0][data[0].length - 1] : null),
    rebuild: () => { if (plot) build(); },
    destroy: () => { plot?.destroy(); plot = null; },
  };
};

// ask : path -> JSON. moment : () -> {t_ms, live}. Returns a node and what keeps it up to date.
export const signalsView = (unit, sensors, { ask, clock, moment }) => {
  let span = RANGES[0][1];
  let isFull = false;
  let busy = false;
  let isClosed = false;
  const curves = new Map(sensors.map((sensor) => [sensor.name, curveOf(sensor, clock, () => isFull)]));
  const error = make("p", { className: "soft", hidden: true });
  const choice = (text, isOn, onChoose) => {
    const button = make("button", { type: "button", "aria-pressed": String(isOn) }, text);
    button.onclick = () => {
      [...button.parentNode.children].forEach((each) => each.setAttribute("aria-pressed", String(each === button)));
      onChoose();
    };
    return button;
  };
  const spans = RANGES.map(([text, ms], i) => choice(text, i === 0, () => { span = ms; reload(); }));
  const scales = [["scale of the signal", false], ["stated range", true]].map(([text, full]) => choice(text, !full, () => { isFull = full; redraw(); }));
  const node = make("div", { className: "signals" }, make("div", { className: "controls" }, make("div", { className: "switch", role: "group", "aria-label": "Time shown" }, ...spans), make("div", { className: "switch", role: "group", "aria-label": "Vertical scale" }, ...scales)), error, ...[...curves.values()].map((each) => each.node));

  const redraw = () => {
    const to = moment().t_ms;
    for (const each of curves.values()) each.draw(to - span, to);
  };
  const load = async () => {
    if (busy || isClosed || !curves.size) return;
    busy = true;
    const { t_ms: to } = moment();
    const known = [...curves.values()].map((each) => each.latest()).filter((t) => t !== null);
    const from = known.length ? Math.max(Math.min(...known), to - span) : to - span;
    const asked = span;
    try {
      const { signals } = await ask(`signals/${encodeURIComponent(unit)}?from_ms=${Math.round(from)}&to_ms=${Math.round(to)}&points=600`);
      if (isClosed || asked !== span) return;
      for (const [name, found] of Object.entries(signals)) curves.get(name)?.add(found, to - span);
      error.hidden = true;
      redraw();
    } catch (problem) {
      put(error, problem.message);
      error.hidden = false;
    } finally {
      busy = false;
    }
  };
  const reload = () => {
    for (const each of curves.values()) each.clear();
    busy = false;
    load();
  };
  return {
    node, load, reload,
    restyle: () => curves.forEach((each) => each.rebuild()),
    close: () => { isClosed = true; curves.forEach((each) => each.destroy()); },
  };
};
