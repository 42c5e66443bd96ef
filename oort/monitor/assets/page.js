// The page of `oort monitor`: shows what it is told, and asks for what its buttons say.

import { attribute, byId, element, say, show, sync } from "/assets/dom.js";
import { draw, words as plotWords } from "/assets/plot.js";
import * as words from "/assets/words.js";

const SILENCE_MS = 12000; // the monitor beats every 5 s
const AGAIN_MS = 1500;
const SHOWN = 25;
const TAIL = 10;
const MARKS = {
  good: "M42 61 L55 74 L79 47",
  busy: "M60 80 L60 42 M45 56 L60 41 L75 56",
  warn: "M60 38 L60 66 M60 79 L60 81",
  bad: "M60 38 L60 66 M60 79 L60 81",
  quiet: "M46 60 L74 60",
};
const STATES = { watching: "good", polling: "good", scanning: "busy", held: "warn", missing: "bad", disabled: "quiet" };

let source = null;
let hello = null;
let page = null;
let heardAt = performance.now();
let lostAt = null;
let ahead = 0; // how far the monitor's clock is ahead of this one, in ms
let spokenKind = "";

const now = () => Date.now() + ahead;

// -- what it is told --------------------------------------------------------------------------------

function connect() {
  if (source) source.close();
  source = new EventSource("/events");
  source.addEventListener("hello", (event) => {
    const told = JSON.parse(event.data);
    if (hello && hello.version !== told.version) location.reload();
    hello = told;
    heard();
  });
  source.addEventListener("page", (event) => {
    page = JSON.parse(event.data);
    heard();
    render();
  });
  source.addEventListener("beat", (event) => {
    ahead = Date.parse(JSON.parse(event.data).at) - Date.now();
    heard();
    renderTimes();
  });
  source.addEventListener("error", () => {
    lost();
    if (source.readyState === EventSource.CLOSED) setTimeout(again, AGAIN_MS);
  });
}

// The stream was refused, or fell silent: the token may be asked for again, or the monitor is gone.
async function again() {
  try {
    const answer = await fetch("/", { cache: "no-store" });
    if (answer.status === 401) location.reload();
    connect();
  } catch {
    setTimeout(again, AGAIN_MS);
  }
}

function heard() {
  heardAt = performance.now();
  if (lostAt !== null || document.body.classList.contains("waiting")) {
    lostAt = null;
    document.body.classList.remove("waiting", "lost");
    renderLive();
  }
}

function lost() {
  if (lostAt === null) {
    lostAt = Date.now();
    document.body.classList.add("lost");
    renderLive();
    if (page) renderNotices();
  }
}

// -- what it shows ----------------------------------------------------------------------------------

function render() {
  const { verdict } = page;
  document.body.dataset.tone = verdict.tone;
  const text = verdictWords(verdict);
  say(byId("verdict"), text);
  say(byId("detail"), verdict.detail || "");
  attribute(byId("ring-mark"), "d", MARKS[verdict.tone]);
  document.title = `${verdict.tone === "good" ? "✓ " : verdict.tone === "bad" ? "! " : ""}${text} – Oort`;
  speak(text);
  renderNotices();
  renderLive();
  if (page.trouble === null) {
    renderDaemon();
    renderNight();
    renderNeeds();
    renderHand();
    renderFinished();
    renderWatches();
  }
  renderTimes();
}

function verdictWords(verdict) {
  return verdict.text
    .replace("{at}", verdict.at ? words.moment(verdict.at, now()) : "")
    .replace("{night}", verdict.night ? words.night(verdict.night) : "");
}

// A screen reader hears of another verdict, not of each file that is counted.
function speak(text) {
  const kind = text.replace(/[\d.,:]+/g, "");
  if (kind !== spokenKind) {
    spokenKind = kind;
    say(byId("spoken"), text);
  }
}

function chip(id, tone, text) {
  attribute(byId(id), "data-tone", tone);
  say(byId(id).querySelector(".words"), text);
}

function renderLive() {
  if (lostAt !== null) chip("chip-live", "bad", `No contact since ${words.clock(lostAt, true)}`);
  else if (page) chip("chip-live", "good", "Live");
}

function renderDaemon() {
  const { daemon, link } = page.status;
  say(byId("host"), daemon.host || "");
  if (!daemon.running) chip("chip-daemon", "bad", "Daemon not running");
  else if (daemon.paused) chip("chip-daemon", "warn", "Paused");
  else chip("chip-daemon", "good", "Daemon running");
  const tone = { online: "good", offline: "warn", unauthorised: "bad" }[link.state];
  if (daemon.running) chip("chip-link", tone, `Link ${link.state}`);
  else chip("chip-link", "quiet", "Link unknown");
  say(byId("version"), `Oort ${hello ? hello.version : ""}`);
}

function notices() {
  const found = [];
  if (lostAt !== null) {
    found.push(["bad", "This page has lost its monitor and tries again by itself. What it shows is from before."]);
  }
  if (page.trouble !== null) return found.concat([["bad", page.trouble]]);
  const { daemon } = page.status;
  if (!daemon.running) found.push(["bad", "The daemon is not running, so nothing is sent. `oort start` starts it."]);
  if (daemon.paused) found.push(["warn", "Uploads are paused. `oort resume` goes on."]);
  for (const link of daemon.running ? page.links : []) {
    if (link.state !== "online") {
      const name = page.links.length > 1 ? `The link to ${link.api}` : "The link";
      const next = link.next_attempt_at ? ` Next try at ${words.clock(Date.parse(link.next_attempt_at), true)}.` : "";
      const login = link.state === "unauthorised" ? " `arcsecond login` puts it right." : "";
      found.push([link.state === "offline" ? "warn" : "bad", `${name} is ${link.state}${link.reason ? `: ${link.reason}` : ""}.${login}${next}`]);
    }
  }
  for (const warning of daemon.warnings) found.push(["warn", warning]);
  return found;
}

function renderNotices() {
  sync(
    byId("notices"),
    notices(),
    ([tone, text]) => `${tone}${text.replace(/Next try.*$/, "")}`,
    () => element("li"),
    (row, [tone, text]) => {
      attribute(row, "data-tone", tone);
      if (row.dataset.text !== text) {
        row.dataset.text = text;
        row.replaceChildren(...commands(text));
      }
    },
  );
}

// What stands between backquotes is a command to type.
function commands(text) {
  return text.split("`").map((part, index) => (index % 2 ? element("code", {}, part) : part));
}

function renderNight() {
  const { night } = page;
  say(byId("night-title"), night.is_tonight ? "Tonight" : `The night of ${words.night(night.night)}`);
  const needs = night.error + night.lost;
  for (const [name, value] of [["seen", night.seen], ["safe", night.safe], ["pending", night.pending], ["error", needs]]) {
    const node = byId(`night-${name}`);
    say(node, words.count(value));
    node.parentElement.classList.toggle("zero", value === 0);
  }
  let start = 0;
  for (const [name, share] of shares(night.safe, night.pending, needs)) {
    const part = byId("ring").querySelector(`.${name}`);
    attribute(part, "stroke-dasharray", `${share} ${1000 - share}`);
    attribute(part, "stroke-dashoffset", -start);
    part.classList.toggle("none", share === 0);
    start += share;
  }
  attribute(byId("ring"), "aria-label", `${words.count(night.safe)} of ${words.files(night.seen)} safe`);
}

// The parts of the ring, in thousandths: one file that needs somebody is seen among ten thousand.
function shares(safe, pending, needs) {
  const all = Math.max(1, safe + pending + needs);
  const part = (value) => (value ? Math.max(16, Math.floor((1000 * value) / all)) : 0);
  const rest = 1000 - (safe ? 16 : 0);
  const error = Math.min(part(needs), rest - (pending ? 16 : 0));
  const onTheWay = Math.min(part(pending), rest - error);
  return [["safe", safe ? 1000 - error - onTheWay : 0], ["pending", onTheWay], ["error", error]];
}

function renderNeeds() {
  const { status, lost: gone } = page;
  const rows = [...status.attention, ...gone];
  const shown = rows.slice(0, SHOWN);
  const total = status.queue.by_status.Error + status.queue.gone + status.queue.changed;
  const list = byId("needs-list");
  const hadFocus = list.contains(document.activeElement);
  sync(list, shown, (row) => row.id, makeNeed, updateNeed);
  show(byId("needs"), rows.length > 0);
  say(byId("needs-title"), rows.length ? `Needs you: ${words.files(total)}` : "Needs you");
  show(byId("retry-all"), canChange() && status.queue.by_status.Error > 1);
  show(byId("needs-more"), total > shown.length);
  say(byId("needs-more"), `and ${words.files(total - shown.length)} more: oort uploads --status Error`);
  if (hadFocus && !list.contains(document.activeElement)) {
    (list.querySelector("button") || byId("needs-title")).focus();
  }
}

const canChange = () => Boolean(hello && !hello.read_only);

function makeNeed(row) {
  const made = element("li", { class: "need" }, fileOf(row), element("p", { class: "reason" }));
  if (canChange()) {
    const name = words.nameOf(row.path);
    const buttons = element("div", { class: "buttons" });
    if (row.substatus !== "changed after upload") {
      const isShort = row.substatus === "truncated file";
      const retry = element("button", { type: "button", "aria-label": `${isShort ? "Send as it is" : "Retry"}: ${name}` }, isShort ? "Send as it is" : "Retry");
      retry.addEventListener("click", () => order("retry", { ids: [row.id], force: isShort }, `${name} is at the front of the queue.`, retry));
      buttons.append(retry);
    }
    const skip = element("button", { type: "button", class: "quiet", "aria-label": `Skip: ${name}` }, "Skip");
    skip.addEventListener("click", () => askToSkip(row, name, skip));
    buttons.append(skip);
    made.append(buttons);
  }
  return made;
}

function updateNeed(node, row) {
  const kind = row.substatus === "error" && row.error ? "" : row.substatus;
  say(node.querySelector(".reason"), [kind, row.error].filter(Boolean).join(": "));
}

function fileOf(row) {
  return element(
    "p",
    { class: "file", title: row.path },
    shortened(words.nameOf(row.path)),
    element("span", { class: "folder muted" }, words.folderOf(row.path)),
  );
}

// Where there is too little room the middle of a name goes: its end has the number.
function shortened(name) {
  const letters = [...name];
  const end = letters.length > 2 * TAIL ? TAIL : 0;
  const head = letters.slice(0, letters.length - end).join("");
  return element("span", { class: "name" }, element("span", { class: "head" }, head), letters.slice(letters.length - end).join(""));
}

function renderHand() {
  const { active, queue } = page.status;
  sync(byId("hand-list"), active, (row) => row.id, makeHand, updateHand);
  show(byId("hand-none"), active.length === 0);
  say(byId("hand-none"), queue.pending_files ? `${words.files(queue.pending_files)} waiting, none is being sent.` : "Nothing is being sent.");
  const left = queue.eta_s ? `, about ${words.duration(queue.eta_s)} left` : "";
  const rate = queue.rate_bytes_per_s ? `${words.rate(queue.rate_bytes_per_s)}, ` : "";
  say(byId("rate"), queue.pending_files ? `${rate}${words.size(queue.pending_bytes)} to go${left}` : "");
}

function makeHand(row) {
  return element(
    "li",
    { class: "hand" },
    fileOf(row),
    element("progress", { max: "100", "aria-label": words.nameOf(row.path) }),
    element("p", { class: "amount muted" }),
  );
}

function updateHand(node, row) {
  const share = row.size ? Math.floor((100 * row.bytes_sent) / row.size) : 0;
  const bar = node.querySelector("progress");
  if (bar.value !== share) bar.value = share;
  say(node.querySelector(".amount"), `${words.size(row.bytes_sent)} of ${words.size(row.size)}`);
}

function renderFinished() {
  sync(
    byId("finished-list"),
    page.finished,
    (row) => row.id,
    (row) => element("li", { class: "stored" }, fileOf(row), element("p", { class: "amount muted" }, words.size(row.size)), element("time", { class: "muted", datetime: row.ended_at })),
    () => {},
  );
  show(byId("finished-none"), page.finished.length === 0);
}

function renderWatches() {
  const { watches, daemon } = page.status;
  sync(byId("watches-list"), watches, (watch) => watch.name, makeWatch, (node, watch) => updateWatch(node, watch, daemon.running));
  show(byId("watches-none"), watches.length === 0);
}

function makeWatch(watch) {
  return element(
    "li",
    { class: "watch" },
    element("p", { class: "file", title: watch.path }, element("span", { class: "name" }, watch.name), element("span", { class: "folder muted" }, watch.path)),
    element("p", { class: "chip small" }, element("span", { class: "dot", "aria-hidden": "true" }), element("span", { class: "words" })),
    element("p", { class: "amount muted" }),
    element("p", { class: "reason", hidden: "" }),
  );
}

function updateWatch(node, watch, isRunning) {
  const by = watch.by_status;
  const stands = isRunning || watch.state === "missing" || watch.state === "disabled";
  attribute(node.querySelector(".chip"), "data-tone", stands ? STATES[watch.state] || "quiet" : "quiet");
  say(node.querySelector(".words"), stands ? watch.state : "not watched");
  const waits = by.New + by.Preparing + by.Uploading + by.Finishing;
  const parts = [`${words.count(by.OK)} stored`];
  if (waits) parts.push(`${words.count(waits)} on the way`);
  if (by.Error) parts.push(`${words.count(by.Error)} in error`);
  if (by.Skipped) parts.push(`${words.count(by.Skipped)} skipped`);
  if (watch.missed_events) parts.push(`${words.count(watch.missed_events)} missed by events`);
  say(node.querySelector(".amount"), parts.join(" · "));
  const unread = watch.unreadable.length ? `cannot be read: ${watch.unreadable[0]}` : "";
  const reason = [watch.reason, unread].filter(Boolean).join("; ");
  say(node.querySelector(".reason"), reason);
  show(node.querySelector(".reason"), reason !== "");
}

// -- what changes with time alone -------------------------------------------------------------------

function renderTimes() {
  const at = now();
  say(byId("clock"), words.clock(at));
  for (const node of document.querySelectorAll("time")) {
    say(node, words.ago(node.getAttribute("datetime"), at));
    attribute(node, "title", new Date(Date.parse(node.getAttribute("datetime"))).toLocaleString("en-GB"));
  }
  if (page && page.trouble === null) say(byId("plot-words"), plotWords(draw(byId("plot"), page.throughput, at)));
}

// -- what it asks for -------------------------------------------------------------------------------

async function order(command, what, done, button) {
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true"); // not `disabled`, which would take the focus away
  try {
    const answer = await fetch(`/${command}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Oort-Token": hello.token },
      body: JSON.stringify(what),
    });
    if (answer.status === 401) location.reload();
    const isJson = (answer.headers.get("content-type") || "").startsWith("application/json");
    const told = isJson ? await answer.json() : { error: (await answer.text()).trim() };
    tell(told.error || (told.refused && told.refused.join("; ")) || done);
  } catch {
    tell("The monitor does not answer; nothing was done.");
  } finally {
    button.removeAttribute("aria-disabled");
  }
}

function askToSkip(row, name, button) {
  const dialog = byId("confirm");
  const isLost = row.status === "Skipped";
  say(byId("confirm-title"), isLost ? "Take note of this file?" : "Leave this file out?");
  say(byId("confirm-words"), isLost ? `${name}: ${row.substatus}. It is no longer counted as lost.` : `${name} will not be sent. A retry brings it back.`);
  dialog.returnValue = "no";
  dialog.addEventListener(
    "close",
    () => {
      if (dialog.returnValue === "yes") order("skip", { ids: [row.id] }, `${name} is left out.`, button);
    },
    { once: true },
  );
  dialog.showModal();
}

let quietAgain = 0;

function tell(text) {
  say(byId("said"), text);
  clearTimeout(quietAgain);
  quietAgain = setTimeout(() => say(byId("said"), ""), 8000);
}

byId("retry-all").addEventListener("click", (event) => {
  order("retry", { all: true }, "All of them are at the front of the queue.", event.currentTarget);
});

setInterval(() => {
  if (performance.now() - heardAt > SILENCE_MS) {
    lost();
    heardAt = performance.now();
    source.close();
    again();
  }
  renderTimes();
}, 1000);

new ResizeObserver(() => renderTimes()).observe(byId("plot"));
connect();
