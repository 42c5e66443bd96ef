// The throughput of the last hours, one bar a span, drawn into an SVG of its own size.

import { attribute, svg } from "/assets/dom.js";
import { clock, files, rate, size } from "/assets/words.js";

const HOURS = 12;

export function spansOf(throughput, nowMs) {
  const width = throughput.span_s;
  const last = Math.floor(nowMs / 1000 / width) * width;
  const known = new Map(throughput.spans.map(([start, bytes, stored]) => [start, { bytes, stored }]));
  const spans = [];
  for (let start = last - HOURS * 3600 + width; start <= last; start += width) {
    const found = known.get(start) || { bytes: 0, stored: 0 };
    const lasted = start === last ? Math.max(10, nowMs / 1000 - start) : width;
    spans.push({ start, ...found, rate: found.bytes / lasted });
  }
  return spans;
}

// A round number, so that the lines are at numbers which people say.
function ceiling(value) {
  if (value <= 0) return 1024;
  const unit = 1024 ** Math.floor(Math.log(value) / Math.log(1024));
  const power = 10 ** Math.floor(Math.log10(value / unit));
  const step = [1, 2, 3, 4, 5, 6, 8, 10].find((one) => one * power >= value / unit);
  return step * power * unit;
}

function axisRate(value) {
  return rate(value).replace(".0 ", " ");
}

export function draw(node, throughput, nowMs) {
  const spans = spansOf(throughput, nowMs);
  const em = parseFloat(getComputedStyle(node).fontSize);
  const [LEFT, RIGHT, TOP, BOTTOM] = [5.4 * em, 0.7 * em, 0.9 * em, 2 * em];
  const width = Math.max(240, Math.round(node.clientWidth || 600));
  const height = Math.round(node.clientHeight || 180);
  const top = ceiling(Math.max(...spans.map((span) => span.rate)));
  const inner = { width: width - LEFT - RIGHT, height: height - TOP - BOTTOM };
  const step = inner.width / spans.length;
  const parts = [];
  for (const share of [0, 0.5, 1]) {
    const y = TOP + inner.height * (1 - share);
    parts.push(svg("line", { class: share ? "grid" : "ground", x1: LEFT, x2: width - RIGHT, y1: y, y2: y }));
    if (share) {
      parts.push(svg("text", { class: "axis", x: LEFT - em * 0.7, y: y + em * 0.35, "text-anchor": "end" }, axisRate(top * share)));
    }
  }
  const every = width < 420 ? 4 : 2;
  spans.forEach((span, index) => {
    const at = new Date(span.start * 1000);
    if (at.getMinutes() === 0 && at.getHours() % every === 0) {
      const x = LEFT + index * step;
      const anchor = x > width - 3 * em ? "end" : x < LEFT + 1.4 * em ? "start" : "middle";
      parts.push(svg("line", { class: "tick", x1: x, x2: x, y1: height - BOTTOM, y2: height - BOTTOM + em * 0.35 }));
      parts.push(svg("text", { class: "axis", x, y: height - em * 0.5, "text-anchor": anchor }, clock(at)));
    }
    if (span.bytes > 0) {
      const tall = Math.max(1.5, (inner.height * span.rate) / top);
      const bar = svg("rect", {
        class: index === spans.length - 1 ? "bar now" : "bar",
        x: (LEFT + index * step + step * 0.12).toFixed(2),
        y: (TOP + inner.height - tall).toFixed(2),
        width: Math.max(1, step * 0.76).toFixed(2),
        height: tall.toFixed(2),
        rx: Math.min(2, step * 0.3).toFixed(2),
      });
      bar.append(svg("title", {}, `${clock(at)}: ${rate(span.rate)}, ${files(span.stored)} stored`));
      parts.push(bar);
    }
  });
  attribute(node, "viewBox", `0 0 ${width} ${height}`);
  node.replaceChildren(...parts);
  return spans;
}

export function words(spans) {
  const sent = spans.reduce((sum, span) => sum + span.bytes, 0);
  const stored = spans.reduce((sum, span) => sum + span.stored, 0);
  if (!sent) return "nothing was sent";
  const peak = spans.reduce((best, span) => (span.rate > best.rate ? span : best));
  return `${size(sent)} sent, ${files(stored)} stored; at most ${rate(peak.rate)}, at ${clock(peak.start * 1000)}`;
}
