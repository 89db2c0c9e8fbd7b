// The page: connects, keeps one picture of the line, and draws what has changed, at most once per frame.
import { detailsView } from "./details.js";
import { ask, byId, perFrame, put, show } from "./dom.js";
import { connect, emptyPicture, merge } from "./feed.js";
import { legend, listsView } from "./lists.js";
import { paretoView } from "./pareto.js";
import { planView } from "./plan_view.js";
import { stateChart } from "./state_chart.js";
import { clockOf, words } from "./text.js";
import { timeline } from "./timeline.js";
import { topView } from "./top.js";
import { whatIf } from "./what_if.js";

const PAPER_PX = 1060; // width at which the line is drawn for paper; the style sheet makes it smaller
const RESTYLE_MS = 150;

const page = { plan: null, clock: null, view: null, picture: emptyPicture(), past: null, lostSince: null, planId: null };

const notice = (text) => { put(byId("notice"), text ?? ""); show(byId("notice"), Boolean(text)); };
const shown = () => page.past ?? page.picture;
const moment = () => ({ t_ms: shown().t_ms ?? Date.now(), live: page.past === null });

// ---- the head: time, and whether it is the present
const localTime = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const MARKS = { lost: "not connected since", past: "looking back", ended: "run ended", silent: "feed silent", waiting: "waiting for a feed", live: "live" };
const markOf = () => {
  if (page.lostSince !== null) return "lost";
  if (!page.view || page.picture.t_ms === undefined) return "waiting";
  if (page.past) return "past";
  if (page.picture.ended) return "ended";
  return page.picture.live === false ? "silent" : "live";
};
const drawHead = () => {
  const mark = markOf();
  put(byId("link"), mark === "lost" ? `${MARKS.lost} ${localTime.format(page.lostSince)}` : MARKS[mark]);
  byId("link").className = mark;
  document.body.classList.toggle("lost", mark === "lost");
  document.body.classList.toggle("past", mark === "past");
  const { t_ms: t } = shown();
  if (!page.clock || !Number.isFinite(t)) return;
  put(byId("clock"), page.clock.second(t));
  put(byId("day"), page.clock.day(t));
  document.body.dataset.t = t;
};

// ---- values
let pending = null;
let shiftFrom = null;
const draw = (picture, change) => {
  const { view } = page;
  view.line.update(picture, change);
  view.lists.update(picture, change);
  if (change.top) view.top.update(change.top);
  if (change.top && page.past === null) view.whatIf.update(change.top);
  if (change.health !== undefined) view.top.health(change.health);
  if (change.pareto) view.pareto.update(change.pareto, change.pareto_total_s ?? picture.pareto_total_s, picture.top?.reasons?.pareto);
  if (change.units) view.details.change(picture);
  const shift = picture.top?.shift;
  if (shift && shift.from_ms !== shiftFrom) {
    shiftFrom = shift.from_ms;
    view.chart.load(shift);
  } else if (page.past === null) {
    view.chart.extend(picture);
  }
  view.chart.mark(picture.t_ms);
};
const flush = perFrame(() => {
  if (!page.view) return;
  drawHead();
  page.view.time.draw();
  if (!pending || page.past) return;
  const change = pending;
  pending = null;
  draw(page.picture, change);
});
// Absent units of a full picture have to be drawn as unknown: they are named with no entry.
const drawAll = (picture) => {
  const names = Object.fromEntries(page.plan.units.map(({ name }) => [name, picture.units[name] ?? null]));
  const levels = Object.fromEntries(page.plan.places.map(({ id }) => [id, picture.levels[id] ?? null]));
  draw(picture, { ...picture, units: names, levels });
  drawHead();
};

// ---- the plan
const build = (plan) => {
  const clock = clockOf(plan.timezone);
  page.plan = plan;
  page.clock = clock;
  const title = plan.title && plan.title !== plan.plant ? plan.title : words(plan.plant);
  document.title = title;
  put(byId("title"), title);
  put(byId("run"), [plan.root, plan.run_id].filter(Boolean).join(" · "));
  put(byId("about"), `Times are those of the plant's clock (${plan.timezone}). Charts: uPlot (MIT licence) and Apache ECharts (Apache License 2.0).`);
  legend(plan);
  const details = detailsView(plan, byId("details"), { clock, moment, onClose: () => { line.select(null); document.body.classList.remove("open"); } });
  const open = (name, from) => {
    if (!plan.units.some((unit) => unit.name === name)) return;
    document.body.classList.add("open");
    line.select(name);
    details.open(name, shown().units[name], from);
  };
  // a list names a machine or an operation; of an operation the first machine is opened
  const openNamed = (name, from) => open(plan.operations.find((each) => each.name === name)?.machines[0] ?? name, from);
  const line = planView(plan, byId("line"), { onOpen: open });
  page.view = {
    line, details, open,
    top: topView(new Map(plan.operations.map((each) => [each.name, each])), clock),
    lists: listsView(plan, clock),
    pareto: paretoView(plan, openNamed),
    whatIf: whatIf(plan),
    chart: stateChart(plan, { clock, moment, onOpen: open }),
    time: timeline(plan, {
      clock,
      liveMs: () => page.picture.t_ms ?? Date.now(),
      onPast: (picture, error) => { notice(error); if (picture) { page.past = { ...emptyPicture(), health: null, ...picture }; drawAll(page.past); details.jump(); } },
      onFigures: (figures, error) => { notice(error); if (figures && page.past) { merge(page.past, figures); draw(page.past, figures); details.renew(); } },
      onLive: () => { notice(null); page.past = null; pending = null; drawAll(page.picture); details.jump(); },
    }),
  };
  page.view.top.update({});
  document.addEventListener("click", ({ target }) => {
    const node = target.closest("[data-open]");
    if (node) openNamed(node.dataset.open, node);
  });
  document.addEventListener("keydown", ({ key }) => { if (key === "Escape") details.shut(); });
};

// Another run has another plan: the page begins anew, once per plan.
const isOther = (id) => {
  if (!page.planId || id === undefined || id === page.planId) return false;
  location.reload();
  return true;
};

// ---- the window: size, colours, paper
const isPaper = () => matchMedia("print").matches;
const resize = () => { page.view?.line.place(isPaper() ? PAPER_PX : undefined); restyle(); };
let waiting = 0;
const restyle = () => ["chart", "pareto", "details"].forEach((name) => page.view?.[name].restyle());
addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(resize, RESTYLE_MS); });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", restyle);
const toPaper = () => { page.view?.line.place(PAPER_PX); restyle(); };
addEventListener("beforeprint", toPaper);
addEventListener("afterprint", resize);
matchMedia("print").addEventListener("change", ({ matches }) => (matches ? toPaper() : resize()));

const PLAN_MS = 1000; // between two requests, while there is no feed
const untilDescribed = async (first) => {
  for (let answer = first; ; answer = ask("plan.json")) {
    try {
      const plan = await answer;
      if (plan.run_id) return plan;
      notice("No feed has been received yet.");
    } catch (problem) {
      notice(problem.message);
    }
    await new Promise((resolve) => { setTimeout(resolve, PLAN_MS); });
  }
};
const start = async () => {
  const plan = ask("plan.json");
  connect("events", {
    onFull: (picture) => {
      if (isOther(picture.plan_id)) return;
      page.planId = picture.plan_id;
      page.picture = { ...emptyPicture(), ...picture };
      pending = null;
      if (!page.view) { drawHead(); return; }
      if (page.past === null) drawAll(page.picture);
      flush();
    },
    onChange: (change) => {
      merge(page.picture, change);
      pending ??= emptyPicture();
      merge(pending, change, true);
      flush();
    },
    onStatus: (since) => { if (since !== page.lostSince) { page.lostSince = since; drawHead(); } },
  });
  build(await untilDescribed(plan));
  notice(null);
  document.body.classList.remove("waiting");
  if (page.picture.t_ms !== undefined) drawAll(page.picture);
  };
start();
