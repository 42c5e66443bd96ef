// Numbers and times as people read them; the same words as on the command line.

const UNITS = ["B", "KB", "MB", "GB", "TB", "PB"];
const MINUTE = 60, HOUR = 3600, DAY = 86400;

export function count(number) {
  return Number(number).toLocaleString("en-US");
}

export function files(number) {
  return number === 1 ? "1 file" : `${count(number)} files`;
}

export function size(bytes) {
  let value = bytes, unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return unit === 0 ? `${Math.round(value)} B` : `${value.toFixed(1)} ${UNITS[unit]}`;
}

export function rate(bytesPerSecond) {
  return `${size(bytesPerSecond)}/s`;
}

export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < MINUTE) return `${whole} s`;
  const [large, name, small, other] =
    whole < HOUR ? [MINUTE, "min", 1, "s"] : whole < DAY ? [HOUR, "h", MINUTE, "min"] : [DAY, "d", HOUR, "h"];
  const rest = Math.floor((whole % large) / small);
  return `${Math.floor(whole / large)} ${name}${rest ? ` ${rest} ${other}` : ""}`;
}

export function ago(iso, nowMs) {
  const seconds = (nowMs - Date.parse(iso)) / 1000;
  if (seconds < 5) return "just now";
  if (seconds < MINUTE) return `${Math.round(seconds)} s ago`;
  if (seconds < HOUR) return `${Math.floor(seconds / MINUTE)} min ago`;
  if (seconds < DAY) return `${Math.floor(seconds / HOUR)} h ago`;
  return `${Math.floor(seconds / DAY)} d ago`;
}

export function clock(ms, withSeconds = false) {
  const options = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  if (withSeconds) options.second = "2-digit";
  return new Date(ms).toLocaleTimeString("en-GB", options);
}

export function moment(iso, nowMs) {
  const at = Date.parse(iso);
  if (Math.abs(nowMs - at) < DAY * 500) return clock(at);
  const day = new Date(at).toLocaleDateString("en-GB", { day: "numeric", month: "long" });
  return `${day}, ${clock(at)}`;
}

export function night(date) {
  const [year, month, day] = date.split("-").map(Number);
  return new Date(year, month - 1, day).toLocaleDateString("en-GB", { day: "numeric", month: "long" });
}

export function nameOf(path) {
  return path.slice(path.lastIndexOf("/") + 1);
}

export function folderOf(path) {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}
