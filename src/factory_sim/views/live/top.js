// The top row: the figures of the shift. A value that is not defined is a dash, with its reason below.
import { byId, fillRows, make, put, show } from "./dom.js";
import { fixed, lasting, number, percent, signed, words } from "./text.js";

const figure = (id) => {
  const tile = byId(id);
  const [value, unit, more] = [tile.querySelector("b"), tile.querySelector(".unit"), tile.querySelector(".more")];
  return (text, note, unitText) => {
    put(value, text);
    put(more, note ?? "");
    more.title = note ?? ""; // of a long sentence the tile shows the first lines
    if (unitText !== undefined) put(unit, unitText);
    tile.classList.toggle("undefined", text === "–");
  };
};

export const topView = (operations, clock) => {
  const set = Object.fromEntries(["good", "rate", "constraint", "oee", "energy", "health"].map((id) => [id, figure(id)]));
  const stopped = byId("stopped");
  const meter = byId("good").querySelector(".meter");
  // why a value is missing; nothing where it is not
  const reason = (top, key) => ((top[key] ?? null) === null ? (top.reasons?.[key] ?? "not known yet") : "");

  const good = (top) => {
    const { good_parts: made, plan_parts: planned, shift, t_ms: t } = top;
    const hasPlan = Number.isFinite(planned) && planned > 0;
    const share = shift && Number.isFinite(shift.to_ms) ? Math.min(1, Math.max(0, (t - shift.from_ms) / (shift.to_ms - shift.from_ms))) : null;
    show(meter, hasPlan && Number.isFinite(made));
    const notes = [];
    if (shift && Number.isFinite(shift.from_ms)) notes.push(`${shift.name ? `${words(shift.name)} shift, ` : ""}since ${clock.minute(shift.from_ms)}`);
    if (hasPlan && Number.isFinite(made)) {
      meter.querySelector("i").style.transform = `scaleX(${Math.min(1, made / planned).toFixed(3)})`;
      meter.querySelector("u").style.left = share === null ? "" : `${(100 * share).toFixed(1)}%`;
      show(meter.querySelector("u"), share !== null);
      if (share !== null) notes.push(`${signed(made - planned * share, 0)} against the plan`);
    }
    const text = note(top, "good_parts") || notes.join(": ");
    set.good(fixed(made), text, hasPlan ? `of ${fixed(planned)} planned` : "parts");
  };
  // a share of little time says little: the time stands beside it
  const analysed = ({ t_ms: t, shift }) => (shift && Number.isFinite(t - shift.from_ms) ? ` in ${lasting((t - shift.from_ms) / 1000)}` : "");
  const constraint = (top) => {
    const found = top.constraint;
    if (!found) { set.constraint("–", reason(top, "constraint"), ""); return; }
    const title = operations.get(found.name)?.title;
    const kind = found.kind === "operation" ? title : words(found.kind ?? "");
    set.constraint(words(found.name), kind === found.name ? "" : (kind ?? ""), found.share === null ? "" : `${percent(found.share)} of the critical path${analysed(top)}`);
  };
  const stops = (top) => {
    const rows = top.stopped ?? [];
    fillRows(stopped.querySelector("ol"), rows.slice(0, 3), () => make("li", {}, make("b"), make("span"), make("em")), (row, each) => {
      const [name, kind, time] = row.children;
      const cause = each.by ? `${words(each.kind)}${each.kind === "failure" ? ":" : " by"} ${words(each.by)}` : words(each.kind);
      const isLimit = each.name === top.constraint?.name; // it is named beside this tile
      put(name, isLimit ? cause : words(each.name));
      put(kind, isLimit ? "" : cause);
      row.title = `${words(each.name)}: ${cause}`;
      put(time, lasting(each.seconds));
    });
    const rest = rows.length - 3;
    put(stopped.querySelector(".more"), rows.length ? (rest > 0 ? `and ${rest} more` : "") : (top.reasons?.stopped ?? "nothing has stopped it"));
  };
  // why it is missing, or what to know about it
  const note = (top, key) => reason(top, key) || (top.marks?.[key] ?? "");
  const update = (top) => {
    good(top);
    set.rate(fixed(top.rate_per_h, 1), note(top, "rate_per_h"));
    constraint(top);
    stops(top);
    set.oee(fixed(top.oee === null ? null : 100 * top.oee, 1), note(top, "oee"));
    set.energy(number(top.energy_kwh_per_part), note(top, "energy_kwh_per_part"));
  };

  const health = (found) => {
    byId("health").classList.toggle("fault", found !== null && (found.silent_s > 10 || found.lost > 0));
    if (!found) { set.health("–", "not known yet", ""); return; }
    const faults = [["lost", found.lost], ["late", found.late], ["duplicates", found.duplicates], ["distrusted", found.distrusted]].filter(([, n]) => n > 0);
    const isSilent = found.silent_s > 10;
    const [word, n] = faults[0] ?? [];
    const things = n === 1 ? "" : "s";
    const unit = { distrusted: `sensor${things} distrusted`, duplicates: `duplicate${things}` }[word] ?? `reading${things} ${word}`;
    const note = faults.slice(isSilent ? 0 : 1).map(([text, count]) => `${fixed(count)} ${text}`);
    note.push(`${fixed(found.readings)} readings`);
    if (isSilent) set.health("silent", note.join(", "), `for ${lasting(found.silent_s)}`);
    else if (faults.length) set.health(fixed(n), note.join(", "), unit);
    else set.health("complete", note.join(", "), "");
  };
  return { update, health };
};
