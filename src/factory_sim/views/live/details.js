// The details of one unit: states of the shift, sensors, cycle times, failures and distrusted sensors.
import { cellsSeries, chartIn, timeAxis } from "./charts.js";
import { ask, fillRows, make, put, show } from "./dom.js";
import { signalsView } from "./signals.js";
import { Carpet, hourMarks } from "./strips.js";
import { fixed, lasting, number, percent, words } from "./text.js";

const REFRESH_MS = 5000, CURVES_MS = 1000;
const STRIP_COLUMNS = 480;
const MOST_ROWS = 12;

const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
};

export const detailsView = (plan, root, { clock, moment, onClose }) => {
  const states = new Map(plan.states.map((state) => [state.id, state]));
  const units = new Map(plan.units.map((unit) => [unit.name, unit]));
  const operations = new Map(plan.operations.map((each) => [each.name, each]));
  let name = null;
  let opener = null;
  let parts = null;
  let signals = null;
  let cyclePlot = null;
  let [stripChart, strips] = [null, null];
  let found = null;
  let turn = 0; // of the unit that is open: an answer for an earlier one is dropped

  const block = (title, ...children) => make("section", {}, make("h3", {}, title), ...children);
  const build = (unit) => {
    const operation = operations.get(unit.operation);
    const close = make("button", { type: "button", className: "close", "aria-label": "Close the details" }, "✕");
    close.onclick = () => shut();
    const p = {
      state: make("p", { className: "state" }, make("i", { className: "m s14" }, "?"), make("span", {}, "")),
      strip: make("div", { className: "strip", role: "img" }),
      shares: make("p", { className: "soft" }),
      cycles: make("p", { className: "soft" }),
      plot: make("div", { className: "plot cycles" }),
      failures: make("ol", { className: "rows" }),
      noFailures: make("p", { className: "soft" }, "None in this shift."),
      distrust: make("ol", { className: "rows" }),
      noDistrust: make("p", { className: "soft" }, "All readings are plausible."),
      error: make("p", { className: "notice", hidden: true }),
      curves: make("div"),
    };
    const title = operation ? `${operation.name} ${operation.title ?? ""}` : words(unit.kind || unit.role);
    p.name = make("h2", { id: "details-name", tabIndex: -1 }, name, " ", make("small", {}, title));
    root.replaceChildren(make("div", { className: "heading" }, p.name, close), p.state, p.error,
      block("States of this shift", p.strip, p.shares), block("Sensors", p.curves),
      block("Cycle times", p.cycles, p.plot), block("Failures", p.failures, p.noFailures), block("Distrusted readings", p.distrust, p.noDistrust));
    return p;
  };

  // ---- parts
  const drawState = (entry) => {
    if (!parts || !entry) return;
    const [id, since, part, mode] = entry;
    const state = states.get(id) ?? states.get(14);
    const [mark, text] = parts.state.children;
    mark.className = `m s${state.id}`;
    put(mark, state.letter);
    const bits = [state.name + (mode ? `: ${words(mode)}` : "")];
    if (Number.isFinite(since)) bits.push(`since ${clock.second(since)} (${lasting((moment().t_ms - since) / 1000)})`);
    if (part !== null && part !== undefined && part >= 0) bits.push(`part ${part}`);
    put(text, bits.join(", "));
  };
  const drawStrip = () => {
    const strip = found.strip;
    if (!strip.length) { put(parts.shares, "No state is known yet."); return; }
    const [from, to] = [strip[0][0], strip[strip.length - 1][1]];
    const carpet = new Carpet(1, STRIP_COLUMNS, from, to > from ? to : from + 1);
    carpet.fill(0, strip);
    stripChart ??= chartIn(parts.strip, "canvas", (theme) => ({
      grid: { left: 0, right: 1, top: 0, bottom: 18, show: true, borderColor: theme.line },
      xAxis: timeAxis(strips, hourMarks(strips.fromMs, strips.toMs, 6), theme, clock),
      yAxis: { type: "value", show: false, min: 0, max: 1 },
      series: [cellsSeries(strips, plan.states)],
    }));
    strips = carpet;
    stripChart.draw().catch((problem) => put(parts.shares, problem.message));
    const sums = new Map();
    for (const [begin, end, id] of strip) sums.set(id, (sums.get(id) ?? 0) + end - begin);
    const text = [...sums].sort((a, b) => b[1] - a[1]).map(([id, ms]) => `${(states.get(id)?.name ?? "unknown").split(":")[0]} ${percent(ms / (to - from), 1)}`).join(", ");
    put(parts.shares, text);
    parts.strip.setAttribute("aria-label", `States from ${clock.minute(from)} to ${clock.minute(to)}: ${text}`);
  };
  const axis = (style, size, more) => ({ stroke: style.getPropertyValue("--soft").trim(), font: "11px system-ui, sans-serif", grid: { stroke: style.getPropertyValue("--faint").trim(), width: 1 }, ticks: { show: false }, size, ...more });
  const drawCycles = () => {
    const cycles = found.cycle_times_s;
    const planned = operations.get(units.get(name)?.operation)?.unit_time_s;
    const goal = Number.isFinite(planned) && planned ? `, planned ${number(planned)} s a part` : "";
    put(parts.cycles, cycles.length ? `median ${number(median(cycles.map(([, s]) => s)))} s of the last ${cycles.length}${goal}` : `No cycle has ended yet${goal}.`);
    cyclePlot?.destroy();
    cyclePlot = null;
    if (!cycles.length || !parts.plot.clientWidth) return;
    const style = getComputedStyle(document.documentElement);
    const times = cycles.map(([, s]) => s);
    const ends = [cycles[0][0], Math.max(cycles[cycles.length - 1][0], cycles[0][0] + 60_000)];
    cyclePlot = new uPlot({
      width: parts.plot.clientWidth, height: 96, legend: { show: false }, cursor: { drag: { x: false, y: false }, y: false },
      scales: { x: { time: false, range: () => ends }, y: { range: () => [0, 1.1 * Math.max(...times)] } },
      axes: [axis(style, 18, { gap: 2, space: 60, values: (_, ticks) => ticks.map((t) => clock.minute(t)), incrs: [60_000, 300_000, 900_000, 1_800_000, 3_600_000, 7_200_000] }), axis(style, 46, { gap: 3, space: 24, values: (_, ticks) => ticks.map((v) => `${number(v)} s`) })],
      series: [{}, { stroke: style.getPropertyValue("--link").trim(), width: 0, points: { show: true, size: 4, width: 0, fill: style.getPropertyValue("--link").trim() } }],
    }, [cycles.map(([end]) => end), times], parts.plot);
  };
  const row = () => make("li", {}, make("b"), make("span", { className: "what" }), make("em"));
  const drawLists = () => {
    const failures = found.failures.slice(-MOST_ROWS).reverse();
    show(parts.noFailures, !failures.length);
    fillRows(parts.failures, failures, row, (node, { mode, from_ms: from, to_ms: to }) => {
      const [what, when, long] = node.children;
      put(what, words(mode ?? "unknown"));
      put(when, `${clock.minute(from)} to ${to === null ? "now" : clock.minute(to)}`);
      put(long, lasting(((to ?? moment().t_ms) - from) / 1000));
    });
    show(parts.noDistrust, !found.distrust.length);
    fillRows(parts.distrust, found.distrust.slice(0, MOST_ROWS), row, (node, { sensor, text }) => {
      put(node.children[0], sensor ? words(sensor) : "");
      put(node.children[1], text);
    });
  };
  const fill = () => { drawStrip(); drawCycles(); drawLists(); };

  const load = async () => {
    const mine = turn;
    const { t_ms: t, live } = moment();
    try {
      const answer = await ask(`units/${encodeURIComponent(name)}${live ? "" : `?t_ms=${Math.round(t)}`}`);
      if (mine !== turn) return;
      found = answer;
      show(parts.error, false);
      if (!signals) {
        signals = signalsView(name, answer.sensors, { ask, clock, moment });
        parts.curves.replaceChildren(answer.sensors.length ? signals.node : make("p", { className: "soft" }, "This unit has no sensors."));
        signals.load();
      }
      fill();
    } catch (problem) {
      if (mine !== turn) return;
      put(parts.error, problem.message);
      show(parts.error, true);
    }
  };

  // ---- what others call
  const clear = () => {
    turn += 1;
    signals?.close();
    cyclePlot?.destroy();
    stripChart?.close();
    [signals, cyclePlot, stripChart, found] = [null, null, null, null];
  };
  const open = (unit, entry, from) => {
    if (!units.has(unit)) return;
    clear();
    name = unit;
    opener = from ?? null;
    show(root, true);
    parts = build(units.get(unit));
    drawState(entry);
    parts.name.focus({ preventScroll: true });
    root.scrollIntoView?.({ block: "nearest" });
    load();
  };
  const shut = () => {
    if (name === null) return;
    clear();
    name = null;
    parts = null;
    root.replaceChildren();
    show(root, false);
    onClose();
    opener?.focus?.({ preventScroll: true });
  };
  const isVisible = () => name !== null && !document.hidden;
  setInterval(() => { if (isVisible() && moment().live) load(); }, REFRESH_MS);
  setInterval(() => { if (isVisible() && moment().live) signals?.load(); }, CURVES_MS);
  return {
    open, shut,
    name: () => name,
    change: (picture) => { if (name !== null) drawState(picture.units[name]); },
    renew: () => { if (name !== null) load(); },
    jump: () => { if (name !== null) { load(); signals?.reload(); } },
    restyle: () => { if (name !== null && found) { signals?.restyle(); fill(); } },
  };
};
