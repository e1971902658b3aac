/** Charts for a model card as SVG: lines over two axes, nothing more. A function of its data alone, so that a card repeats byte for byte. */

export interface Line {
  readonly label: string;
  readonly points: readonly { readonly x: number; readonly y: number }[];
  readonly dashed?: boolean;
}

export interface Chart {
  readonly title: string;
  readonly x: { readonly label: string; readonly min: number; readonly max: number };
  readonly y: { readonly label: string; readonly min: number; readonly max: number };
  readonly lines: readonly Line[];
}

const width = 480;
const height = 320;
const margin = { left: 56, right: 16, top: 32, bottom: 44 };
const ticks = 5;
/** Told apart also by those who do not see red and green apart (Okabe and Ito). */
const colours = ['#0072b2', '#d55e00', '#009e73', '#cc79a7'];

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
const rounded = (value: number): string => String(Math.round(value * 10) / 10);
const tickText = (value: number): string => String(Number(value.toPrecision(3)));

/** @throws Error where an axis has no extent (a fault of the caller) */
export function chartSvg({ title, x, y, lines }: Chart): string {
  if (!(x.max > x.min && y.max > y.min)) throw new Error(`the chart ${title} has an axis without extent`);
  const plotWidth = width - margin.left - margin.right;
  const plotHeight = height - margin.top - margin.bottom;
  const atX = (value: number): number => margin.left + (plotWidth * (value - x.min)) / (x.max - x.min);
  const atY = (value: number): number => margin.top + plotHeight - (plotHeight * (value - y.min)) / (y.max - y.min);
  const steps = Array.from({ length: ticks + 1 }, (_, i) => i / ticks);
  const grid = steps.flatMap((part) => {
    const [valueX, valueY] = [x.min + part * (x.max - x.min), y.min + part * (y.max - y.min)];
    return [
      `<line x1="${margin.left}" x2="${width - margin.right}" y1="${rounded(atY(valueY))}" y2="${rounded(atY(valueY))}" stroke="#ddd"/>`,
      `<text x="${margin.left - 6}" y="${rounded(atY(valueY) + 4)}" text-anchor="end">${tickText(valueY)}</text>`,
      `<text x="${rounded(atX(valueX))}" y="${height - margin.bottom + 16}" text-anchor="middle">${tickText(valueX)}</text>`,
    ];
  });
  const drawn = lines.flatMap(({ label, points, dashed }, at) => {
    const colour = colours[at % colours.length] ?? '#000';
    const path = points.map((point) => `${rounded(atX(point.x))},${rounded(atY(point.y))}`).join(' ');
    const legendY = margin.top + 14 * (at + 1);
    return [
      `<polyline fill="none" stroke="${colour}" stroke-width="1.5"${dashed === true ? ' stroke-dasharray="4 3"' : ''} points="${path}"/>`,
      `<text x="${width - margin.right - 6}" y="${legendY}" text-anchor="end" fill="${colour}">${escaped(label)}</text>`,
    ];
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(title)}" font-family="sans-serif" font-size="11">`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    `<text x="${margin.left}" y="18" font-size="13" font-weight="bold">${escaped(title)}</text>`,
    ...grid,
    ...drawn,
    `<text x="${margin.left + plotWidth / 2}" y="${height - 8}" text-anchor="middle">${escaped(x.label)}</text>`,
    `<text transform="translate(14 ${margin.top + plotHeight / 2}) rotate(-90)" text-anchor="middle">${escaped(y.label)}</text>`,
    '</svg>',
    '',
  ].join('\n');
}
