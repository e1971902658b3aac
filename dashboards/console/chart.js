/** A stacked bar chart of decisions and holds, drawn as SVG from the summary's series. */
import { el, svg } from './dom.js';
import { compact, count, tick } from './format.js';

const height = 200;
const widthMin = 240;
/** Room for `20,000` in the axis's letters. */
const left = 56;
const bottom = 22;
const top = 8;
const gridLines = 2;
/** Room a tick's text takes, in pixels. */
const tickWidth = 76;

/** The smallest of 2, 4, 6, 10 times a power of ten that is at least `value`: it and its half are round numbers. */
function niceCeiling(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  for (const step of [2, 4, 6, 10]) if (value <= step * power) return step * power;
  return value;
}

function axis(largest, width) {
  const lines = [];
  for (let i = 0; i <= gridLines; i += 1) {
    const y = top + ((height - top - bottom) * i) / gridLines;
    const value = (largest * (gridLines - i)) / gridLines;
    lines.push(svg('line', { class: 'grid', x1: left, x2: width, y1: y, y2: y }));
    if (Number.isInteger(value)) {
      lines.push(svg('text', { class: 'axis', x: left - 6, y: y + 4, 'text-anchor': 'end' }, compact(value)));
    }
  }
  return lines;
}

/** `series`: [{ atMs, decisions, holds }] of equal buckets. Replaces what is in `target`. */
export function drawChart(target, series, spanMs) {
  const most = series.reduce((largest, point) => Math.max(largest, point.decisions), 0);
  if (most === 0) {
    target.replaceChildren(el('p', { class: 'empty' }, 'No decisions in this window.'));
    return;
  }
  // Drawn at the size it is shown in, so that its texts are as large as all others.
  const width = Math.max(target.clientWidth, widthMin);
  const largest = niceCeiling(most);
  const plotHeight = height - top - bottom;
  const slot = (width - left) / series.length;
  const gap = slot > 4 ? 1 : 0;
  const bars = series.map((point, i) => {
    const x = left + i * slot;
    const allHeight = (point.decisions / largest) * plotHeight;
    const holdHeight = (point.holds / largest) * plotHeight;
    const floor = top + plotHeight;
    const bar = { x: x + gap / 2, width: Math.max(slot - gap, 0.5) };
    return svg(
      'g',
      {},
      svg('title', {}, `${tick(point.atMs, spanMs)}: ${count(point.decisions)} decisions, ${count(point.holds)} held`),
      svg('rect', { class: 'slot', x, width: slot, y: top, height: plotHeight }),
      svg('rect', { class: 'bar-allow', ...bar, y: floor - allHeight, height: allHeight - holdHeight }),
      svg('rect', { class: 'bar-hold', ...bar, y: floor - holdHeight, height: holdHeight }),
    );
  });
  const every = Math.max(1, Math.ceil(tickWidth / slot));
  const ticks = series
    .map((point, i) => ({ point, x: left + i * slot }))
    .filter((_, i) => i % every === 0)
    .map(({ point, x }) => svg('text', { class: 'axis', x, y: height - 6 }, tick(point.atMs, spanMs)));
  const total = series.reduce((sum, point) => sum + point.decisions, 0);
  const holds = series.reduce((sum, point) => sum + point.holds, 0);
  const label = `${count(total)} decisions, ${count(holds)} held, at most ${count(most)} in one bar`;
  target.replaceChildren(
    svg(
      'svg',
      { viewBox: `0 0 ${width} ${height}`, width, height, role: 'img', 'aria-label': label },
      axis(largest, width),
      bars,
      ticks,
    ),
  );
}
