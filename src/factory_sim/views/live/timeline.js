// The timeline: choose a time in the recording, and return to the present.
import { ask, byId, make, put, show } from "./dom.js";
import { lasting, words } from "./text.js";

const REFRESH_MS = 60_000, MINUTE_MS = 60_000, REST_MS = 300;

export const timeline = (plan, { clock, liveMs, onPast, onFigures, onLive }) => {
  const [now, select, slider, text] = ["now", "shift", "moment", "moment-text"].map(byId);
  let shifts = [];
  let [fromMs, toMs] = [null, null]; // what can be looked back on
  let chosen = null; // time that is shown; null: the present
  let isAsking = false;

  const shiftAt = (ms) => shifts.find(({ from_ms: from, to_ms: to }) => ms >= from && ms < to) ?? shifts[shifts.length - 1];
  const begin = (shift) => Math.max(shift.from_ms, fromMs ?? 0); // a recording may begin within a shift
  const title = ({ name, from_ms: from }) => `${clock.day(from)}, ${words(name || clock.minute(from))}`;
  const fill = () => {
    if (select.children.length !== shifts.length || select.firstChild?.value !== String(shifts[shifts.length - 1]?.from_ms)) {
      select.replaceChildren(...[...shifts].reverse().map((shift) => make("option", { value: String(shift.from_ms) }, title(shift))));
    }
  };
  const draw = () => {
    const at = chosen ?? liveMs();
    const shift = shiftAt(at);
    if (!shift) return;
    const end = Math.min(shift.to_ms, Math.max(toMs ?? 0, liveMs()));
    select.value = String(shift.from_ms);
    slider.min = 0;
    slider.max = Math.max(10, Math.round((end - begin(shift)) / 1000));
    slider.value = Math.round((at - begin(shift)) / 1000);
    const ago = lasting((liveMs() - at) / 1000);
    put(text, chosen === null ? "now" : `${clock.second(at)}, ${ago} ago`);
    slider.setAttribute("aria-valuetext", chosen === null ? "now" : `${clock.day(at)} ${clock.second(at)}`);
    now.disabled = chosen === null;
    put(now, chosen === null ? "Live" : "Return to live");
  };
  // One request at a time; the last choice wins. `restMs`: a choice must last as long before it is asked for.
  const follow = (path, restMs, use) => {
    let isAsking = false;
    return async () => {
      if (isAsking) return;
      isAsking = true;
      for (let asked = null; chosen !== null && asked !== chosen;) {
        asked = chosen;
        await new Promise((resolve) => { setTimeout(resolve, restMs); });
        if (chosen !== asked) continue;
        try {
          const found = await ask(`${path}?t_ms=${Math.round(asked)}`);
          if (chosen !== null) use(found, null, chosen === asked);
        } catch (problem) {
          if (chosen === asked) use(null, problem.message, true);
        }
      }
      isAsking = false;
    };
  };
  const fetchPicture = follow("at", 0, (picture, problem) => { onPast(picture, problem); if (picture) fetchFigures(); });
  const fetchFigures = follow("figures", REST_MS, (figures, problem, isLatest) => { if (isLatest) onFigures(figures, problem); });
  const go = (ms) => {
    chosen = Math.min(liveMs(), Math.max(fromMs ?? ms, ms));
    draw();
    fetchPicture();
  };
  const live = () => {
    if (chosen === null) return;
    chosen = null;
    draw();
    onLive();
  };
  slider.oninput = () => { const shift = shiftAt(chosen ?? liveMs()); if (shift) go(begin(shift) + 1000 * Number(slider.value)); };
  select.onchange = () => go(Number(select.value));
  byId("earlier").onclick = () => go((chosen ?? liveMs()) - MINUTE_MS);
  byId("later").onclick = () => { const next = (chosen ?? liveMs()) + MINUTE_MS; if (next >= liveMs()) live(); else go(next); };
  now.onclick = live;

  const refresh = async () => {
    if (!plan.recording) return;
    const none = byId("no-time");
    try {
      const found = await ask("timeline");
      ({ shifts, from_ms: fromMs, to_ms: toMs } = found);
      fill();
      draw();
      show(none, false);
    } catch (problem) {
      put(none, problem.message);
      show(none, true);
    }
    show(byId("time"), shifts.length > 0);
  };
  show(byId("time"), false);
  show(byId("no-time"), !plan.recording);
  if (!plan.recording) put(byId("no-time"), "The feed is not recorded, so the page cannot look back: start it with --record DIR.");
  setInterval(refresh, REFRESH_MS);
  refresh();
  return { draw, live, isPast: () => chosen !== null, at: () => chosen };
};
