// Numbers, durations and times as text. Every number has a unit, given here or beside it.
export const NONE = "–";

const known = (value) => typeof value === "number" && Number.isFinite(value);

export const fixed = (value, places = 0) => {
  if (!known(value)) return NONE;
  return value.toLocaleString("en", { minimumFractionDigits: places, maximumFractionDigits: places }).replace("-", "−");
};
export const number = (value, digits = 3) => {
  if (!known(value)) return NONE;
  return value.toLocaleString("en", { maximumSignificantDigits: digits }).replace("-", "−");
};
export const signed = (value, places = 1) => {
  if (!known(value)) return NONE;
  const text = fixed(Math.abs(value), places);
  return Number(Math.abs(value).toFixed(places)) === 0 ? text : (value > 0 ? "+" : "−") + text;
};
export const percent = (share, places = 0) => (known(share) ? `${fixed(100 * share, places)} %` : NONE);

export const lasting = (seconds) => {
  if (!known(seconds)) return NONE;
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  const minutes = Math.round(s / 60);
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
};

export const words = (name) => String(name).replaceAll("_", " ");

// Places that a scale of this reach needs, so that all values beside each other are aligned.
export const placesFor = (reach) => Math.min(6, Math.max(0, 2 - Math.floor(Math.log10(Math.abs(reach) || 1))));

// Times by the plant's clock.
export const clockOf = (timezone) => {
  const form = (options) => {
    try {
      return new Intl.DateTimeFormat("en-GB", { timeZone: timezone, hourCycle: "h23", ...options });
    } catch {
      return new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", hourCycle: "h23", ...options });
    }
  };
  const second = form({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const minute = form({ hour: "2-digit", minute: "2-digit" });
  const day = form({ weekday: "short", day: "numeric", month: "short", year: "numeric" });
  return {
    second: (ms) => second.format(ms),
    minute: (ms) => minute.format(ms),
    day: (ms) => day.format(ms),
  };
};
